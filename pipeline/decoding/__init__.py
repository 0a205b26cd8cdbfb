"""The engine: every configuration of a grid for every document.

May import models, scoring, params and the four files.
"""
