"""Korean ROUGE. May import what scoring may."""
