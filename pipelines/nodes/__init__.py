"""Training on several nodes of a cluster: a TrainJob of Kubeflow Trainer, started and followed by the Trainer."""
