"""Korean ROUGE. May import the four files."""
