"""Rules that clean texts and leave rows out, each a switch of preprocess.clean. May import the room's own files."""
