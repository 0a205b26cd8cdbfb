"""The engine: every configuration of a grid for every document. May import models, scoring and below."""
