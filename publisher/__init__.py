"""Feeds requests in and reads results out."""
