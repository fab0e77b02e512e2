"""A judged model into MLflow: its run, its version, its flavour."""
