"""Base, tokenizer and adapter, loaded one way, and where they run. May import competition, params and below."""
