"""The shipped sample, its generator, and the reading, checking and splitting of feedback files."""
