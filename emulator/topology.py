"""What the cloud must hold for Reviewmill to run: topics, subscriptions, buckets, a notification. Pure data.

`emulator/setup.py` makes it in the emulators, `deploy/` in a real project; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.settings import Settings

ACK_DEADLINE_S = 30
"""How long a killed worker's messages stay away; a live worker extends its leases while it works."""

MIN_BACKOFF_S = 1
MAX_BACKOFF_S = 600
"""The longest there is (https://cloud.google.com/pubsub/docs/handling-failures#exponential_backoff)."""

MAX_ATTEMPTS = 10
"""With the backoff above, more than eight minutes pass before a message that is always given back is dead-lettered. The
worker keeps its messages while storage does not answer; this is for what it cannot keep, and for who pushes."""


class NotProvisioned(Exception):  # noqa: N818 - reads as the fact it is
    """An emulator did not answer in time, or holds something that contradicts the plan."""


@dataclass(frozen=True, slots=True)
class SubscriptionPlan:
    """One pull subscription."""

    name: str
    topic: str
    dead_letter_topic: str | None
    """None for the subscriptions that only keep messages until somebody reads them."""
    ack_deadline_s: int = ACK_DEADLINE_S
    min_backoff_s: int = MIN_BACKOFF_S
    max_backoff_s: int = MAX_BACKOFF_S
    max_attempts: int = MAX_ATTEMPTS

    @property
    def backs_off(self) -> bool:
        """Whether what is given back waits between the two bounds, exponentially, before it is delivered again.

        Only where giving back means failure. A command that looks at what is kept gives it back when it is done: the
        next one must find it at once, or it would report an empty subscription.
        """
        return self.dead_letter_topic is not None


@dataclass(frozen=True, slots=True)
class NotificationPlan:
    """A bucket whose finished uploads are announced on a topic."""

    bucket: str
    topic: str


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything to create, in the order in which it can be created."""

    project: str
    topics: tuple[str, ...]
    subscriptions: tuple[SubscriptionPlan, ...]
    buckets: tuple[str, ...]
    notifications: tuple[NotificationPlan, ...]


def kept(topic: str) -> str:
    """Return the name of the subscription that keeps a topic's messages: without one they are lost."""
    return f"{topic}-kept"


def plan(settings: Settings) -> Topology:
    """Return what `settings` needs. Models and results that are folders need no bucket."""
    dead_letters = settings.dead_letter_topic
    uploads = _bucket(settings.uploads)
    places = (settings.models, settings.uploads, settings.results)
    return Topology(
        project=settings.project,
        topics=(dead_letters, settings.reviews_topic, settings.uploads_topic, settings.completions_topic),
        subscriptions=(
            SubscriptionPlan(kept(dead_letters), dead_letters, dead_letter_topic=None),
            SubscriptionPlan(settings.reviews_subscription, settings.reviews_topic, dead_letters),
            SubscriptionPlan(settings.uploads_subscription, settings.uploads_topic, dead_letters),
            SubscriptionPlan(kept(settings.completions_topic), settings.completions_topic, dead_letter_topic=None),
        ),
        buckets=tuple(bucket for bucket in map(_bucket, places) if bucket),
        notifications=(NotificationPlan(uploads, settings.uploads_topic),) if uploads else (),
    )


def _bucket(place: str) -> str:
    """Return the bucket of a gs:// URI, or "" for a folder."""
    return place.removeprefix("gs://").strip("/").partition("/")[0] if place.startswith("gs://") else ""
