"""A module a stage: frames and params in, frames and metrics out. May import training, decoding and below."""
