"""Texts to token ids: WordPiece in the TensorFlow graph, its vocabulary and its files."""
