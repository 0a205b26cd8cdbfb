"""What earlier runs left: submissions, leaderboards, experiments, folds.

May import scoring, params and what stands below them; no stage imports it.
"""
