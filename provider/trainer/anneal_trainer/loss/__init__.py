"""Loss functions: how wrong a model is on a batch."""
