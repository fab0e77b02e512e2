"""The one way of data into the store: read, repair, check, redact, tell duplicates, keep."""
