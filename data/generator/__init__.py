"""Synthetic Peruvian feedback and market trends, with planted shifts that a detector should find."""
