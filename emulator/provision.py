"""Bring emulators to a topology through the real client libraries. Idempotent, and safe to run twice at once."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

# The client asks for each bucket's metadata in the background for telemetry unless told not to.
os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")

from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.storage import Bucket, Client
from google.cloud.storage.notification import BucketNotification
from google.pubsub_v1 import types
from requests.exceptions import RequestException
from tenacity import Retrying, retry_if_exception_type, stop_before_delay, wait_random_exponential

from emulator.topology import NotificationPlan, NotProvisioned, SubscriptionPlan, Topology

T = TypeVar("T")
_CALL_S = 5.0
_EVENT = "OBJECT_FINALIZE"
_PAYLOAD = "JSON_API_V1"
_STARTING = (
    api.ServiceUnavailable,  # gRPC: nobody listens yet
    api.DeadlineExceeded,  # gRPC: it listens and does not serve yet
    api.RetryError,  # the client's own deadline passed over one of these
    RequestException,  # HTTP: nobody listens yet
    OSError,  # the plain connection check below
)


def provision(topology: Topology, environment: Mapping[str, str], *, wait_s: float) -> list[str]:
    """Create or correct everything in `topology`; returns a line for each thing. Raises NotProvisioned.

    `environment` must name both emulators. Blocks up to about `wait_s` while they start.
    """
    pubsub_host, storage_url = environment["PUBSUB_EMULATOR_HOST"], environment["STORAGE_EMULATOR_HOST"]
    _wait("PUBSUB_EMULATOR_HOST", pubsub_host, wait_s, partial(_connect, f"//{pubsub_host}"))
    _wait("STORAGE_EMULATOR_HOST", storage_url, wait_s, partial(_connect, storage_url))
    try:
        return _provision_pubsub(topology, pubsub_host, wait_s) + _provision_storage(topology, storage_url, wait_s)
    except api.GoogleAPICallError as error:
        raise NotProvisioned(f"the emulator refused ({error}). Correct the setting that it names.") from None


def _connect(url: str) -> None:
    """Raise OSError unless somebody listens: the storage client would retry a refused connection for 90 s."""
    parts = urlsplit(url)
    try:
        address = (parts.hostname or "127.0.0.1", parts.port or 80)
    except ValueError:
        raise NotProvisioned(f"{url} has no usable port. Write host:port, with a number.") from None
    with socket.create_connection(address, timeout=_CALL_S):
        pass


def _wait(variable: str, value: str, wait_s: float, call: Callable[[], T]) -> T:
    """Return what `call` returns, trying while the emulator starts, for `wait_s` at most."""
    retrying = Retrying(
        stop=stop_before_delay(wait_s),
        wait=wait_random_exponential(multiplier=0.05, max=1.0),
        retry=retry_if_exception_type(_STARTING),
        reraise=True,
    )
    try:
        return retrying(call)
    except _STARTING as error:
        raise NotProvisioned(
            f"the emulator at {variable}={value} did not answer within {wait_s:g} s ({type(error).__name__}). "
            "Start it (`reviewmill local` starts both), or correct the variable."
        ) from None


def _provision_pubsub(topology: Topology, host: str, wait_s: float) -> list[str]:
    lines = []
    with PublisherClient() as publisher, SubscriberClient() as subscriber:
        project = f"projects/{topology.project}"
        _wait(
            "PUBSUB_EMULATOR_HOST",
            host,
            wait_s,
            lambda: publisher.list_topics(request={"project": project}, timeout=_CALL_S, retry=None),
        )
        for topic in topology.topics:
            try:
                publisher.create_topic(request={"name": f"{project}/topics/{topic}"}, timeout=_CALL_S)
            except api.AlreadyExists:
                lines.append(f"topic {topic}: is there")
            else:
                lines.append(f"topic {topic}: created")
        lines += [_subscribe(subscriber, topology.project, wanted) for wanted in topology.subscriptions]
    return lines


def _subscribe(subscriber: SubscriberClient, project: str, wanted: SubscriptionPlan) -> str:
    """Create the subscription, or bring the one that exists to the plan."""
    request = _subscription(project, wanted)
    try:
        subscriber.create_subscription(request=request, timeout=_CALL_S)
    except api.AlreadyExists:
        pass
    else:
        return f"subscription {wanted.name}: created"
    found = subscriber.get_subscription(request={"subscription": request.name}, timeout=_CALL_S)
    if found.topic != request.topic:
        raise NotProvisioned(
            f"the subscription {wanted.name} exists on {found.topic}, not on {request.topic}. Restart the emulator "
            "(it forgets everything), or name another one in the settings."
        )
    differing = [
        name
        for name in ("ack_deadline_seconds", "retry_policy", "dead_letter_policy")
        if getattr(found, name) != getattr(request, name)
    ]
    if not differing:
        return f"subscription {wanted.name}: is there"
    update = {"subscription": request, "update_mask": {"paths": differing}}
    subscriber.update_subscription(request=update, timeout=_CALL_S)
    return f"subscription {wanted.name}: corrected {', '.join(differing)}"


def _subscription(project: str, wanted: SubscriptionPlan) -> types.Subscription:
    policy = retry = None
    if wanted.dead_letter_topic:
        policy = types.DeadLetterPolicy(
            dead_letter_topic=f"projects/{project}/topics/{wanted.dead_letter_topic}",
            max_delivery_attempts=wanted.max_attempts,
        )
    if wanted.backs_off:
        retry = types.RetryPolicy(
            minimum_backoff=timedelta(seconds=wanted.min_backoff_s),
            maximum_backoff=timedelta(seconds=wanted.max_backoff_s),
        )
    return types.Subscription(
        name=f"projects/{project}/subscriptions/{wanted.name}",
        topic=f"projects/{project}/topics/{wanted.topic}",
        ack_deadline_seconds=wanted.ack_deadline_s,
        retry_policy=retry,
        dead_letter_policy=policy,
    )


def _provision_storage(topology: Topology, url: str, wait_s: float) -> list[str]:
    lines = []
    anonymous = AnonymousCredentials()
    client = Client(project=topology.project, credentials=anonymous, client_options={"api_endpoint": url})
    try:
        for name in topology.buckets:
            created = _wait("STORAGE_EMULATOR_HOST", url, wait_s, partial(_create_bucket, client, name))
            lines.append(f"bucket {name}: {'created' if created else 'is there'}")
        lines += [_notify(client, topology.project, wanted) for wanted in topology.notifications]
    finally:
        client.close()
    return lines


def _create_bucket(client: Client, name: str) -> bool:
    """Return whether the bucket was created, False when it was there."""
    try:
        client.create_bucket(name, timeout=_CALL_S, retry=None)
    except api.Conflict:
        return False
    return True


def _notify(client: Client, project: str, wanted: NotificationPlan) -> str:
    """Leave exactly one notification for the plan on the bucket."""
    bucket = client.bucket(wanted.bucket)
    title = f"notification {wanted.bucket} -> {wanted.topic}"
    if _matching(bucket, project, wanted):
        verb = "is there"
    else:
        BucketNotification(
            bucket,
            topic_name=wanted.topic,
            topic_project=project,
            event_types=[_EVENT],
            payload_format=_PAYLOAD,
        ).create(timeout=_CALL_S)
        verb = "created"
    # Two set-ups at once both find none and both create one; each then removes all but the first.
    for surplus in _matching(bucket, project, wanted)[1:]:
        try:
            surplus.delete(timeout=_CALL_S)
        except api.NotFound:
            continue
    return f"{title}: {verb}"


def _matching(bucket: Bucket, project: str, wanted: NotificationPlan) -> list[BucketNotification]:
    found = [
        each
        for each in bucket.list_notifications(timeout=_CALL_S)
        if each.topic_name == wanted.topic
        and each.topic_project == project
        and each.event_types == [_EVENT]
        and each.payload_format == _PAYLOAD
        and each.blob_name_prefix is None
    ]
    return sorted(found, key=lambda each: (len(each.notification_id), each.notification_id))
