"""The command line: wires, prints and exits. May import everything; nothing imports it."""
