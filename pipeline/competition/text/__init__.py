"""Korean text as such: sentences and terms. May import the four files."""
