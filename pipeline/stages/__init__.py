"""One module a stage of the graph: frames and params in, frames and metrics out.

May import training, decoding and what stands below them.
"""
