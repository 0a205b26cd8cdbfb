"""Scoring: Korean ROUGE, baselines, and what of a difference is noise."""
