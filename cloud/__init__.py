"""What the parts ask of the cloud: the object and queue ports, and the adapters that implement them."""
