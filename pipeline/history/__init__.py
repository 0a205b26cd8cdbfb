"""What earlier runs left, which no stage reads. May import scoring, models and below."""
