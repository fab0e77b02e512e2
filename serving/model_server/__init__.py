"""An embedded model server that speaks TensorFlow Serving's protocol over REST and gRPC."""
