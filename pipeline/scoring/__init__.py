"""What a summary is worth, and what of a difference is noise. May import competition, params and below."""
