"""Drift: whether live feedback still looks like what the model was trained on.

`windows` reads both sides, `measures` says what is compared, `two_sample` how, `comparison` judges, `page` shows,
`retraining` acts. The statistics in words: docs/guides/drift.md.
"""
