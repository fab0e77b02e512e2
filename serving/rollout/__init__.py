"""Bringing a registered version into service."""
