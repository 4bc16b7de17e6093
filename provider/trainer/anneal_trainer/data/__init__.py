"""Training data: from files to rows, from rows to tokens or pixels, from those to batches."""
