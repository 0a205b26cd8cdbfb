"""The command line: wires, prints and exits; nobody imports it. May import everything below."""
