"""What goes wrong with messages that are handed over: they change places, come twice, or lose their leases at once."""

from collections.abc import Sequence

from emulator.pubsub.channel import Channel
from emulator.pubsub.faults import Faults
from emulator.pubsub.subscription import Delivery


def disturbed(channel: Channel, deliveries: list[Delivery], faults: Faults) -> list[Delivery]:
    """Return the deliveries as they reach the client, after what the faults do to them and their leases."""
    if not deliveries:
        return deliveries
    if faults.strikes("duplicate"):
        # A second copy with a lease and attempts of its own, behind what is published by then: so it comes in a batch
        # with other neighbours, and an acknowledgement of the first does not end it.
        for delivery in _some(deliveries, faults):
            channel.offer(delivery.entry.message, delivery.entry.published_at)
    if faults.strikes("early_expiry"):
        channel.extend([delivery.ack_id for delivery in _some(deliveries, faults)], 0)
    if faults.strikes("reorder"):
        return faults.random.sample(deliveries, len(deliveries))
    return deliveries


def _some(deliveries: Sequence[Delivery], faults: Faults) -> list[Delivery]:
    """Return about half of the deliveries, one at least."""
    return [one for one in deliveries if faults.random.getrandbits(1)] or [deliveries[0]]
