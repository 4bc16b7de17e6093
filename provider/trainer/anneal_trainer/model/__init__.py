"""The model: loaded, made ready to be trained, and kept on disk."""
