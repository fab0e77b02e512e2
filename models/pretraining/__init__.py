"""Pretraining an encoder on unlabelled texts as a masked language model."""
