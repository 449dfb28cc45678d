"""Scores batches off a queue and accounts for every row."""
