"""params.yaml as frozen, typed sections, and the grid it describes. May import the four files."""
