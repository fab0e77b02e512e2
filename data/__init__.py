"""The shipped sample, its generator, and the reading, checking and splitting of feedback files."""

from pathlib import Path

SAMPLE = Path(__file__).with_name("feedback.csv")
"""The shipped sample: synthetic, see `data/README.md`."""
