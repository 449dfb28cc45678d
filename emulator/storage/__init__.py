"""An embedded Cloud Storage server that speaks the JSON API."""
