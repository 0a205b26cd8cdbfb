"""A competition's files as (id, text, summaries), overlap and splits. May import the four files."""
