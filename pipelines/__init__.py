"""The training pipeline, and the runners that know where it runs."""
