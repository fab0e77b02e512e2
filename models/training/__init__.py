"""Fine-tuning on labelled rows: the Trainer's entry, fitting, optimiser, devices, Keras backends, resuming."""
