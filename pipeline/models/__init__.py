"""Base, tokenizer and adapter, loaded one way, and the machine they run on. May import params and the four files."""
