"""`reviewmill emulator setup` beside servers that were started one by one, as the containers do it."""

from __future__ import annotations

import json
import signal
import urllib.request
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Console, Running

ADDRESS = r"^export {}_EMULATOR_HOST=(\S+)$"


def _server(console: Console, kind: str, port: str = "0") -> tuple[Running, str]:
    running = console.start("emulator", kind, "--port", port)
    return running, running.wait_for(ADDRESS.format(kind.upper()))[1]


@pytest.mark.slow
def test_several_at_once_leave_one_notification(console: Console) -> None:
    _, pubsub = _server(console, "pubsub")
    _, storage = _server(console, "storage")
    variables = {"PUBSUB_EMULATOR_HOST": pubsub, "STORAGE_EMULATOR_HOST": storage}
    jobs = [console.start("emulator", "setup", **variables) for _ in range(3)]
    for job in jobs:
        assert job.wait() == 0, job.output()
    with urllib.request.urlopen(f"{storage}/storage/v1/b/reviewmill-uploads/notificationConfigs") as answer:
        (notification,) = json.load(answer)["items"]
    assert notification["topic"].endswith("/topics/uploads")
    assert notification["event_types"] == ["OBJECT_FINALIZE"]


@pytest.mark.slow
def test_subscription_that_differs_is_corrected(console: Console) -> None:
    _, pubsub = _server(console, "pubsub")
    _, storage = _server(console, "storage")
    variables = {"PUBSUB_EMULATOR_HOST": pubsub, "STORAGE_EMULATOR_HOST": storage}
    assert console.run("emulator", "setup", **variables).returncode == 0
    changed = console.run("emulator", "setup", **variables, REVIEWMILL_DEAD_LETTER_TOPIC="other-letters")
    assert changed.returncode == 0, changed.stderr
    assert "subscription reviews-worker: corrected dead_letter_policy" in changed.stdout
    contradicting = console.run("emulator", "setup", **variables, REVIEWMILL_REVIEWS_TOPIC="other-reviews")
    assert contradicting.returncode == 1
    assert "reviews-worker exists on projects/reviewmill-local/topics/reviews" in contradicting.stderr


@pytest.mark.slow
def test_repeating_it_sets_up_again_after_an_emulator_forgot_everything(console: Console) -> None:
    pubsub_server, pubsub = _server(console, "pubsub")
    _, storage = _server(console, "storage")
    ready = console.folder / "ready"
    job = console.start(
        "emulator",
        "setup",
        *("--repeat-s", "0.2", "--wait-s", "0.5", "--ready-file", str(ready)),
        PUBSUB_EMULATOR_HOST=pubsub,
        STORAGE_EMULATOR_HOST=storage,
    )
    console.until(ready.exists, "it was not ready", job.output)
    pubsub_server.signal(signal.SIGTERM)
    pubsub_server.wait()
    console.until(lambda: not ready.exists(), "it stayed ready without Pub/Sub", job.output)
    _server(console, "pubsub", pubsub.rpartition(":")[2])
    console.until(ready.exists, "it was not ready again", job.output)
    assert job.output().count("topic reviews: created") == 2
    assert job.output().count("bucket reviewmill-models: created") == 1
    job.signal(signal.SIGTERM)
    assert job.wait() == 0
