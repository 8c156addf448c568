"""The trainer: learns from the topic `examples` and publishes versions of the model on `models`."""
