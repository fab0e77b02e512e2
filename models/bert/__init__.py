"""The encoder and the taste model on it, over packed tokens."""
