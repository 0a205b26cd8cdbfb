"""The training loop: batches, the loss, the schedule, and what makes a step fast.

May import models, scoring, params and the four files.
"""
