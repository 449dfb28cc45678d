"""What a dead letter is: where it died, how often it was redriven, and what is published again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.queue import Received
from schemas.errors import InvalidInput
from schemas.events import is_notification, upload_from_notification
from schemas.ranges import decode_range_task, is_range_task
from schemas.requests import decode_review

# https://cloud.google.com/pubsub/docs/dead-letter-topics#receive_from_dead_letter_topic
_SOURCE = "CloudPubSubDeadLetterSource"
REDRIVEN = "redriven"
"""Attribute that counts how often a message was redriven: the loop guard."""

ENQUEUED_AT = "enqueued_at"
_TIME_CHARACTERS = len("2026-11-22T18:05:09")


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the dead-letter topic."""

    received: Received
    subscription: str
    """The subscription that gave it up; empty when the message does not say so."""
    project: str
    attempts: int
    """Deliveries before it was given up; 0 when unknown."""
    redriven: int
    """How often it was redriven before."""
    first_published: str
    """RFC 3339: when it was published to the topic it comes from; empty when unknown."""

    @property
    def cause(self) -> str:
        """What the message itself says about why no worker finished it, in a few words; never any of its text."""
        attributes = self.received.attributes
        try:
            if is_range_task(attributes):
                decode_range_task(self.received.data)
                return "valid range of an upload"
            if is_notification(attributes):
                upload_from_notification(attributes)
                return "valid upload event"
            decode_review(self.received.data)
        except InvalidInput as error:
            return f"invalid: {error.code}"
        return "valid review"

    def again(self) -> dict[str, str]:
        """Return the attributes to publish it under: its own, the time it was first published, and the guard's count.

        The data is published as it is, so a request keeps its id; with the old time its row keeps its partition too.
        """
        kept = {
            name: value
            for name, value in self.received.attributes.items()
            # Pub/Sub reserves names that begin with goog (the client's tracing uses some).
            if not name.startswith((_SOURCE, "goog"))
        }
        if self.first_published and ENQUEUED_AT not in kept and not is_notification(kept):
            kept[ENQUEUED_AT] = self.first_published
        return kept | {REDRIVEN: str(self.redriven + 1)}


def read_letter(received: Received) -> Letter:
    """Return what a message of the dead-letter topic says of itself; attributes that are missing or wrong are empty."""
    attributes = received.attributes
    return Letter(
        received=received,
        subscription=attributes.get(f"{_SOURCE}Subscription", ""),
        project=attributes.get(f"{_SOURCE}SubscriptionProject", ""),
        attempts=_count(attributes.get(f"{_SOURCE}DeliveryCount", "")),
        redriven=_count(attributes.get(REDRIVEN, "")),
        first_published=_time(attributes.get(f"{_SOURCE}TopicPublishTime", "")),
    )


def _count(text: str) -> int:
    """Return a count; what is no small number counts as none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0  # noqa: PLR2004 - a billion


def _time(text: str) -> str:
    """Return a time in the form that publishers stamp; Google's emulator leaves out the zone."""
    if len(text) < _TIME_CHARACTERS or text[10] != "T":
        return ""
    return text if text[-1] == "Z" or "+" in text[_TIME_CHARACTERS:] else f"{text}Z"
