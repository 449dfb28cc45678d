"""Placeholder until the Avro part is in."""

from collections.abc import Sequence

from emulator.pubsub.errors import unimplemented
from emulator.pubsub.wire import Message


class SchemaRegistry:
    """Schemas by name."""

    def check_settings(self, settings: Message) -> None:
        """Refuse every schema."""
        raise unimplemented("schemas")

    def check_and_mark(self, settings: Message, messages: Sequence[Message]) -> None:
        """Refuse every schema."""
        raise unimplemented("schemas")
