"""Feast: entities, sources, views, and how they are filled."""
