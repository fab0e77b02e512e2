"""Labelled rows on their way into the model: feature names, preprocessing, the store on disk, batches."""
