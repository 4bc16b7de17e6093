"""How wrong a model is on a batch."""
