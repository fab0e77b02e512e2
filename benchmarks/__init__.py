"""Measurements against peers; each module prints a table with ratios and keeps it in `benchmarks/results`."""
