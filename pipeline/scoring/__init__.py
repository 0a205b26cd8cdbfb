"""What a summary is worth, and what of a difference is noise. May import params, competition and the four files."""
