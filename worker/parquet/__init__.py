"""Parquet in and out of CSV jobs; pyarrow, an optional extra, does the work."""
