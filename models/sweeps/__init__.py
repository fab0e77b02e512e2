"""The search for better settings of training."""
