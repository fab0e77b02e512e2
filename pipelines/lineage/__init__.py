"""From an answer back to the bytes: prediction, version, MLflow run, pipeline run, code, data, ingest batches."""
