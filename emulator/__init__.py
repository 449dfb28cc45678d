"""The local cloud: Pub/Sub and Cloud Storage servers for a laptop and for tests."""
