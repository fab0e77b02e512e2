"""The trained model in the forms that others load: SavedModel with explanations, ONNX, transformers."""
