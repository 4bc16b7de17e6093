"""The trainer: a job directory in, events and a model out. Knows no chain, key or network."""
