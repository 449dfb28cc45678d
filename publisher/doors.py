"""Opens the cloud for a command, and says within seconds when it is not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cloud.connect import open_objects, open_topic, require_reachable
from cloud.objects import Objects, TransientError
from cloud.queue import Topic
from publisher.console import Unusable
from worker.settings import Settings


@contextmanager
def open_reviews_topic(settings: Settings) -> Iterator[Topic]:
    """Open the topic of review requests."""
    require_reachable(os.environ, "pubsub")
    try:
        topic = open_topic(settings.project, settings.reviews_topic)
    except ValueError as error:
        raise Unusable(
            f"GOOGLE_CLOUD_PROJECT or REVIEWMILL_REVIEWS_TOPIC cannot be used: {error}. Set it right."
        ) from None
    try:
        yield topic
    finally:
        # Every message was reported as accepted or failed before; what is still unanswered is among the failed.
        with suppress(TransientError):
            topic.close()


@contextmanager
def open_bucket(uri: str, settings: Settings) -> Iterator[Objects]:
    """Open `gs://bucket`, or a folder."""
    if uri.startswith("gs://"):
        require_reachable(os.environ, "storage")
    try:
        objects = open_objects(uri, timeout_s=settings.storage_timeout_s)
    except ValueError as error:
        raise Unusable(f"The bucket cannot be used: {error}. Check the settings that name buckets.") from None
    try:
        yield objects
    finally:
        objects.close()
