"""One small reader a layout that competitions hand out. May import formats, sheets and progress."""
