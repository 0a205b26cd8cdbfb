"""The training loop: batches, the loss, the schedule, and what makes a step fast."""
