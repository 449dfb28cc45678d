"""Placeholder until push delivery is in."""

from emulator.pubsub.channel import Channel


class PushDelivery:
    """Pushes nothing yet."""

    def configure(self, channel: Channel) -> None:
        """Look at a subscription's push configuration."""

    async def close(self) -> None:
        """End all deliveries."""
