"""Checkpoints in transformers format: presets, weights and configuration read and written, fine-tuned models."""
