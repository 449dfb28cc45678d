"""One message's place in one subscription, and who reads from it."""

from dataclasses import dataclass, field

from emulator.pubsub.wire import Message

MESSAGE_OVERHEAD_BYTES = 64
"""What a message weighs beside its data when a response or a stream is filled: id, time, acknowledgement id."""


class Entry:
    """A message in a subscription, with the number of its deliveries so far.

    Not a dataclass: one is made for each message and subscription, and the attempts change.
    """

    __slots__ = ("attempts", "message", "published_at", "size_bytes")

    def __init__(self, message: Message, published_at: float) -> None:
        self.message = message
        self.published_at = published_at
        self.attempts = 0
        self.size_bytes = len(message.data) + MESSAGE_OVERHEAD_BYTES

    @property
    def ordering_key(self) -> str:
        """The message's ordering key, empty for none."""
        return str(self.message.ordering_key)


@dataclass(slots=True, eq=False)
class Reader:
    """One streaming pull and its flow control: how much it may hold unacknowledged, and how much it holds."""

    deadline_s: float
    maximum_messages: int | None = None
    maximum_bytes: int | None = None
    held_messages: int = field(default=0, init=False)
    held_bytes: int = field(default=0, init=False)

    def has_room(self, size_bytes: int, taken_messages: int = 0, taken_bytes: int = 0) -> bool:
        """Tell whether one more message fits beside what is held and what was just taken.

        An empty-handed reader has room for any message, or a large one would never leave.
        """
        messages = self.held_messages + taken_messages
        if not messages:
            return True
        if self.maximum_messages is not None and messages >= self.maximum_messages:
            return False
        return self.maximum_bytes is None or self.held_bytes + taken_bytes + size_bytes <= self.maximum_bytes

    def hold(self, size_bytes: int) -> None:
        """Count a message as handed over."""
        self.held_messages += 1
        self.held_bytes += size_bytes

    def release(self, size_bytes: int) -> None:
        """Count a message as acknowledged, given back or expired."""
        self.held_messages -= 1
        self.held_bytes -= size_bytes
