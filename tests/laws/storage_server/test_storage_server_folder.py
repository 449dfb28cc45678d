"""What only a server with a folder does: come back after a restart or a kill, and stay inside its folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.storage import Client

from emulator.storage.persistence import FolderError
from emulator.storage.server import EmbeddedStorage

Connect = Callable[[str], Client]

_SERVE = """
import sys, pathlib, threading
from emulator.storage.server import EmbeddedStorage
with EmbeddedStorage(root=pathlib.Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    threading.Event().wait()
"""


def test_everything_is_there_after_a_restart(tmp_path: Path, connect: Connect) -> None:
    with EmbeddedStorage(root=tmp_path) as server:
        bucket = connect(server.url).create_bucket("reviews-bucket")
        bucket.labels = {"team": "reviews"}
        bucket.patch()
        bucket.notification(topic_name="uploads", topic_project="project-local", custom_attributes={"a": "b"}).create()
        first = bucket.blob("späte &?#.csv")
        first.metadata = {"model": "linear_svc"}
        first.upload_from_string(b"first" * 100_000, content_type="text/csv")
        first.patch()
        joined = bucket.blob("joined")
        joined.compose([first, first])
        bucket.blob("gone").upload_from_string(b"gone")
        bucket.blob("gone").delete()
    with EmbeddedStorage(root=tmp_path) as server:
        client = connect(server.url)
        again = client.get_bucket("reviews-bucket")
        assert (again.labels, again.metageneration) == ({"team": "reviews"}, 2)
        assert [found.custom_attributes for found in again.list_notifications()] == [{"a": "b"}]
        assert [found.name for found in client.list_blobs(again)] == ["joined", "späte &?#.csv"]
        read = again.get_blob("späte &?#.csv")
        assert (read.generation, read.metageneration, read.metadata) == (first.generation, 2, {"model": "linear_svc"})
        assert read.download_as_bytes() == b"first" * 100_000
        assert (again.get_blob("joined").component_count, again.get_blob("joined").md5_hash) == (2, None)
        assert again.blob("joined").download_as_bytes() == b"first" * 200_000


def test_generations_increase_over_restarts_even_when_all_objects_are_gone(tmp_path: Path, connect: Connect) -> None:
    generations: list[int] = []
    for _ in range(4):
        with EmbeddedStorage(root=tmp_path) as server:
            client = connect(server.url)
            bucket = client.bucket("reviews-bucket")
            if not bucket.exists():
                bucket.create()
            for _ in range(3):
                blob = bucket.blob("object")
                blob.upload_from_string(b"data")
                generations.append(int(blob.generation))
            blob.delete()
    assert generations == sorted(set(generations))


def test_hostile_and_long_names_stay_inside_the_folder(tmp_path: Path, connect: Connect) -> None:
    root = tmp_path / "inside"
    with EmbeddedStorage(root=root) as server:
        bucket = connect(server.url).create_bucket("reviews-bucket")
        for name in ("../../../escape", "/etc/passwd", "..\\..\\x", "a/../../b", "n" * 1024, "bucket", "x.new"):
            bucket.blob(name).upload_from_string(name.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    with EmbeddedStorage(root=root) as server:
        bucket = connect(server.url).bucket("reviews-bucket")
        names = [found.name for found in bucket.list_blobs()]
        assert len(names) == 7
        assert all(bucket.blob(name).download_as_bytes() == name.encode() for name in names)


def test_deleting_and_overwriting_free_the_files(tmp_path: Path, connect: Connect) -> None:
    with EmbeddedStorage(root=tmp_path) as server:
        bucket = connect(server.url).create_bucket("reviews-bucket")
        for _ in range(3):
            bucket.blob("object").upload_from_string(b"data")
        bucket.copy_blob(bucket.blob("object"), bucket, "copy")
        with pytest.raises(exceptions.PreconditionFailed):
            bucket.blob("object").upload_from_string(b"data", if_generation_match=0)
        bucket.blob("x", chunk_size=262_144).create_resumable_upload_session()
        assert len(list((tmp_path / "content").iterdir())) == 3
        bucket.delete(force=True)
    assert list((tmp_path / "content").iterdir()) == []
    assert list((tmp_path / "buckets").iterdir()) == []


def test_two_servers_cannot_share_a_folder(tmp_path: Path) -> None:
    with EmbeddedStorage(root=tmp_path), pytest.raises(FolderError, match="in use"):
        EmbeddedStorage(root=tmp_path)


def test_a_damaged_file_is_named_instead_of_losing_an_object_in_silence(tmp_path: Path, connect: Connect) -> None:
    with EmbeddedStorage(root=tmp_path) as server:
        connect(server.url).create_bucket("reviews-bucket").blob("object").upload_from_string(b"data")
    (content,) = (tmp_path / "content").iterdir()
    content.write_bytes(b"cut")
    with pytest.raises(FolderError, match="reviews-bucket/object"):
        EmbeddedStorage(root=tmp_path)
    content.write_bytes(b"data")
    with EmbeddedStorage(root=tmp_path):
        pass


def test_a_server_that_is_killed_while_writing_loses_nothing_that_it_confirmed(
    tmp_path: Path, connect: Connect
) -> None:
    process = subprocess.Popen([sys.executable, "-c", _SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    bucket = connect(process.stdout.readline().strip()).create_bucket("reviews-bucket")
    confirmed: dict[str, int] = {}
    enough = threading.Event()

    def write() -> None:
        number = 0
        while True:
            blob = bucket.blob(f"object-{number % 10}")
            try:
                blob.upload_from_string(f"{number}" * 50_000, retry=None, timeout=10)
            except Exception:  # noqa: BLE001 - whichever way the connection breaks
                return
            confirmed[blob.name] = int(blob.generation)
            number += 1
            if number == 50:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    writer.join(30)
    with EmbeddedStorage(root=tmp_path) as server:
        again = connect(server.url).bucket("reviews-bucket")
        for name, generation in confirmed.items():
            stored = again.get_blob(name)
            # The write under way may have been committed without an answer.
            assert stored.generation >= generation
            content = stored.download_as_bytes(checksum="md5")
            assert len(content) == stored.size
        assert len(list((tmp_path / "content").iterdir())) == len(list(again.list_blobs()))
