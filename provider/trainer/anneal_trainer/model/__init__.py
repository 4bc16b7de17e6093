"""The model: loaded, prepared for training, and saved."""
