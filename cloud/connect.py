"""Opens the adapters by name, and checks quickly that what they need is there.

Emulators are chosen by the variables of Google's client libraries, STORAGE_EMULATOR_HOST and PUBSUB_EMULATOR_HOST.
The client libraries are imported when something of theirs is opened, so importing this module is cheap.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit

from cloud.folder import FolderObjects
from cloud.objects import CloudSetupError, Objects
from cloud.queue import Subscription, Topic

Service = Literal["storage", "pubsub"]

EMULATOR_VARIABLES: Mapping[Service, str] = {"storage": "STORAGE_EMULATOR_HOST", "pubsub": "PUBSUB_EMULATOR_HOST"}
"""Service → the variable that points its client library at an emulator."""

# https://cloud.google.com/storage/docs/buckets#naming and https://cloud.google.com/pubsub/docs/create-topic#resource_names
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]*[a-z0-9]")
_QUEUE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


class Opener(Protocol):
    """What opens the adapters of a composition root: this module, or something that stands between it and the cloud."""

    def open_objects(self, uri: str, *, timeout_s: float = 8.0) -> Objects:
        """Return the objects of a bucket or a folder."""

    def open_subscription(self, project: str, name: str) -> Subscription:
        """Return a subscription."""

    def open_topic(self, project: str, name: str) -> Topic:
        """Return a topic."""


def open_objects(uri: str, *, timeout_s: float = 8.0) -> Objects:
    """Return the objects of `gs://bucket` or of a local folder. Connects to nothing yet.

    `timeout_s` limits each call to the bucket, retries included. A folder is made by the first write. Raises ValueError
    for anything else, and CloudSetupError without credentials.
    """
    bucket = _bucket_of(uri)
    if bucket is None:
        return FolderObjects(Path(uri))
    from cloud.gcs import GcsObjects  # noqa: PLC0415 - the client library takes a second to import

    return GcsObjects(bucket, timeout_s=timeout_s)


def open_subscription(project: str, name: str) -> Subscription:
    """Return a subscription. Connects to nothing yet. Raises ValueError for bad names, CloudSetupError."""
    _check_queue_names(project, name, "subscription")
    from cloud.pubsub import PubSubSubscription  # noqa: PLC0415 - the client library takes a second to import

    return PubSubSubscription(project, name)


def open_topic(project: str, name: str) -> Topic:
    """Return a topic. Connects to nothing yet. Raises ValueError for bad names, CloudSetupError."""
    _check_queue_names(project, name, "topic")
    from cloud.pubsub_topic import PubSubTopic  # noqa: PLC0415 - the client library takes a second to import

    return PubSubTopic(project, name)


def emulators(environ: Mapping[str, str]) -> dict[Service, str]:
    """Return the emulators that the environment points at: service → address."""
    return {service: environ[name] for service, name in EMULATOR_VARIABLES.items() if environ.get(name)}


def require_reachable(environ: Mapping[str, str], *services: Service, timeout_s: float = 2.0) -> None:
    """Raise CloudSetupError when the environment names an emulator of one of the services and none answers there.

    For the start of a command: the client libraries would try a refused connection for a minute and more. Blocks for
    at most `timeout_s` a service. Services without an emulator are not asked; their calls have deadlines of their own.
    """
    named = emulators(environ)
    for service in services:
        if service in named:
            _probe(service, EMULATOR_VARIABLES[service], named[service], timeout_s)


def _bucket_of(uri: str) -> str | None:
    """Return the bucket of a `gs://` URI, None for a folder's path. Raises ValueError."""
    scheme, colon, rest = uri.partition(":")
    if not uri.strip() or "\0" in uri:
        raise ValueError(f"{uri!r} is neither gs://bucket nor a folder's path")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme):
        return None
    if scheme != "gs" or not rest.startswith("//"):
        raise ValueError(f"{uri!r} cannot be opened: give gs://bucket, or the path of a folder")
    bucket, _, prefix = rest[2:].partition("/")
    if prefix:
        raise ValueError(f"{uri!r} names something inside a bucket; give the bucket alone: gs://{bucket}")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"{uri!r} has no bucket's name: 3 to 222 lower-case letters, digits, dots, dashes, underscores"
        )
    return bucket


def _check_queue_names(project: str, name: str, kind: str) -> None:
    if not _PROJECT.fullmatch(project):
        raise ValueError(f"{project!r} is not a project id, such as my-project-123")
    if "/" in name:
        raise ValueError(f"{name!r}: give the {kind}'s own name, without projects/…/{kind}s/")
    if not _QUEUE_NAME.fullmatch(name) or name.startswith("goog"):
        raise ValueError(f"{name!r} is not a {kind}'s name: 3 to 255 of A-Z a-z 0-9 - _ . ~ + %, a letter first")


def _probe(service: Service, variable: str, value: str, timeout_s: float) -> None:
    host, port = _address(service, variable, value)
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        raise CloudSetupError(
            f"No {_TITLES[service]} emulator answers at {value} ({variable}): {reason}. Start one with "
            f"`reviewmill local`, or unset {variable} to use Google Cloud."
        ) from error


_TITLES: Mapping[Service, str] = {"storage": "storage", "pubsub": "Pub/Sub"}


def _address(service: Service, variable: str, value: str) -> tuple[str, int]:
    """Return host and port of an emulator's address in the form that its client library wants."""
    wants_scheme = service == "storage"
    if wants_scheme != ("://" in value):
        bare = value.rsplit("://", maxsplit=1)[-1].rstrip("/")
        wanted = f"http://{bare}" if wants_scheme else bare
        raise CloudSetupError(f"{variable} is {value!r}; the client library wants it as {wanted!r}.")
    parts = urlsplit(value if wants_scheme else f"//{value}")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80 if wants_scheme else None)
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        raise CloudSetupError(f"{variable} is {value!r}; it needs a host and a port, such as 127.0.0.1:8085.")
    return parts.hostname, port
