"""params.yaml as frozen, typed sections, and the grid that it describes. May import the four files."""
