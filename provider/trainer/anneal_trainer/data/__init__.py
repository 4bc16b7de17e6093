"""What a job is trained on: files into rows, rows into tokens or pixels, those into batches."""
