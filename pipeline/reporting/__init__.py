"""The report: what a run left, as one page to look at. May import scoring, models and below."""
