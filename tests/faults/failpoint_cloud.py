"""The cloud of many failpoint runs: servers, models, a load with its right answers, a process that forks workers."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import SubscriberClient

from cloud.connect import open_objects
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.notifications import Change
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from tests.faults.fork_server import ForkServer
from tests.faults.load import Load, make_load, texts
from tests.faults.wire import Wire
from training.command import main as train
from worker.models import ModelStore
from worker.settings import Settings

MESSAGES = 60
ROWS = 60

_MODELS = ("logistic_regression", "linear_svc", "decision_tree")


class Cloud:
    """Shared by runs one after the other; the servers tell `wire` what they see."""

    def __init__(self, stack: ExitStack, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.wire: Wire | None = None
        self.notified: set[str] = set()
        self.pubsub = stack.enter_context(EmbeddedPubSub(on_acknowledge=self._acknowledged))
        self.storage = stack.enter_context(EmbeddedStorage(on_event=self._announce, on_commit=self._committed))
        patch.setenv("PUBSUB_EMULATOR_HOST", self.pubsub.address)
        patch.setenv("STORAGE_EMULATOR_HOST", self.storage.url)
        provision(plan(Settings()), os.environ, wait_s=60)
        sample = folder / "sample.csv"
        sample.write_bytes(_labelled(120))
        assert train([str(sample)]) == 0
        self.load = _load()
        self.subscriber = stack.enter_context(SubscriberClient())
        self.fork_server = stack.enter_context(closing(ForkServer()))

    def _committed(self, change: Change) -> None:
        if self.wire is not None:
            self.wire.committed(change)

    def _acknowledged(self, subscription: str, messages: list[object]) -> None:
        if self.wire is not None:
            self.wire.received_acknowledgement(subscription, messages)

    def _announce(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        self.notified.add(self.pubsub.publish(topic, data, attributes))


@contextmanager
def opened_cloud(folder: Path) -> Iterator[Cloud]:
    """Start a cloud, and end it."""
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        yield Cloud(stack, patch, folder)


def csv_file() -> bytes:
    """Return a CSV of three parts, with a row without text in each."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "text"])
    writer.writerows((f"r{n}", "" if n % 20 == 5 else text) for n, text in enumerate(texts(ROWS)))
    return out.getvalue().encode()


def _labelled(count: int) -> bytes:
    """Return a small file to train on: what the models say does not matter, only that they always say the same."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["text", "label"])
    writer.writerows((text, n % 2) for n, text in enumerate(texts(count)))
    return out.getvalue().encode()


def _load() -> Load:
    with closing(open_objects(Settings().models)) as objects:
        store = ModelStore(objects, check_every_s=60, now=time.monotonic)
        models = {name: store.resolve(name, None) for name in _MODELS}
        return make_load(MESSAGES, ROWS, models, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
