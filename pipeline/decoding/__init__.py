"""Decoding: from the grid in params.yaml to the candidates of every configuration."""
