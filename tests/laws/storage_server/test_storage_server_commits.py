"""Who watches the server is told of every change before the client is answered."""

from __future__ import annotations

from collections.abc import Callable

from google.cloud.storage import Client

from emulator.storage.notifications import Change
from emulator.storage.server import EmbeddedStorage


def test_a_change_is_told_before_its_answer(connect: Callable[[str], Client]) -> None:
    told: list[tuple[str, str, bytes]] = []

    def on_commit(change: Change) -> None:
        reader = change.record.content.data.open()
        told.append((change.event_type, change.record.name, b"".join(reader.chunks(0, change.record.content.size))))
        reader.close()

    with EmbeddedStorage(on_commit=on_commit) as storage:
        bucket = connect(storage.url).create_bucket("reviews-bucket")
        bucket.blob("object").upload_from_string(b"data")
        assert told == [("OBJECT_FINALIZE", "object", b"data")]
        bucket.blob("object").delete()
        assert [(event, name) for event, name, _ in told[1:]] == [("OBJECT_DELETE", "object")]
