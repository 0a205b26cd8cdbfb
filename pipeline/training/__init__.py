"""The training loop, the loss, and what makes a step fast. May import models, scoring and below."""
