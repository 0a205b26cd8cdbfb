"""Choosing among a document's candidates by what was learnt on validation. May import what scoring may."""
