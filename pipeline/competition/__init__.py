"""A competition's files as (id, text, summaries), and who trains and who validates. May import the four files."""
