"""What a run will do and need, before it does. May import stages and what stands below them."""
