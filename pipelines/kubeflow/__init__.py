"""What makes TFX's compiled pipeline run on open-source Kubeflow Pipelines: before, in and around its containers."""
