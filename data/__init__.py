"""The shipped sample, its generator, and the reading, checking and splitting of feedback files."""

from pathlib import Path

SAMPLE = Path(__file__).with_name("feedback.csv")
"""The shipped sample: synthetic, see `data/README.md`."""

CASES, HARD = (Path(__file__).parent / "behavioural" / name for name in ("cases.csv", "hard.csv"))
"""Behavioural tests: cases that a model passes or fails, and labelled texts that are hard for most."""

UNLABELLED = Path(__file__).with_name("unlabelled")
"""Texts that the shipped encoder was pretrained on, one a line; synthetic too."""
