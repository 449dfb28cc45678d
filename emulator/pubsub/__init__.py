"""An embedded Pub/Sub server that speaks google.pubsub.v1 over gRPC."""
