"""Cloud Storage over a bad network: what is repeated, what is not, and that nothing is lost or doubled by it."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import BadRequest

from cloud.crc import crc32c
from cloud.gcs import GcsObjects
from cloud.gcs_compose import TEMPORARY_PREFIX
from cloud.objects import (
    MAX_PUT_BYTES,
    CloudSetupError,
    ContentConflict,
    ObjectInfo,
    PermissionMissing,
    PreconditionFailed,
    TransientError,
)
from cloud.once import put_once
from emulator.storage.faults import Reset, Status
from emulator.storage.server import EmbeddedStorage

UPLOADS = "^/upload/"
ALWAYS = 10_000


@pytest.fixture(autouse=True)
def no_faults_left(storage: EmbeddedStorage) -> Iterator[None]:
    yield
    storage.faults.clear()


@pytest.fixture
def hasty(bucket: str) -> Iterator[GcsObjects]:
    """The same bucket, given up soon."""
    objects = GcsObjects(bucket, timeout_s=1.0)
    yield objects
    objects.close()


def put(objects: GcsObjects, name: str, data: bytes) -> ObjectInfo:
    return objects.put(name, data, content_type="text/plain", if_generation=0)


@pytest.mark.parametrize("action", [*map(Status, (408, 429, 500, 502, 503, 504)), Reset()], ids=str)
def test_a_transient_answer_is_repeated(gcs: GcsObjects, storage: EmbeddedStorage, action: Status | Reset) -> None:
    fault = storage.faults.inject(action, count=2)
    put(gcs, "a", b"rows")
    assert fault.fired == 2
    again = storage.faults.inject(action, method="GET", count=2)
    assert gcs.get("a")[0] == b"rows"
    assert [info.name for info in gcs.listing("")] == ["a"]
    assert again.fired == 2


def test_what_does_not_stop_is_a_transient_error(hasty: GcsObjects, storage: EmbeddedStorage, tmp_path: Path) -> None:
    fault = storage.faults.inject(Status(503), count=ALWAYS)
    path = tmp_path / "file"
    path.write_bytes(bytes(MAX_PUT_BYTES + 1))
    for call in (
        lambda: put(hasty, "a", b"x"),
        lambda: hasty.put_file("a", path, content_type="text/plain", if_generation=0),
        lambda: hasty.get("a"),
        lambda: list(hasty.stream("a", generation=1)),
        lambda: list(hasty.listing("")),
        lambda: hasty.compose(["a"], "b", content_type="text/plain"),
        lambda: hasty.delete("a"),
    ):
        before = fault.fired
        with pytest.raises(TransientError, match=hasty.uri):
            call()
        assert fault.fired > before + 1


@pytest.mark.parametrize(("status", "error"), [(400, BadRequest), (403, PermissionMissing)])
def test_what_no_repetition_cures_is_not_repeated(
    gcs: GcsObjects, storage: EmbeddedStorage, status: int, error: type[Exception]
) -> None:
    fault = storage.faults.inject(Status(status), method="POST", count=ALWAYS)
    with pytest.raises(error):
        put(gcs, "a", b"x")
    assert fault.fired == 1


def test_a_name_that_is_taken_is_no_missing_permission_for_who_may_only_create(
    gcs: GcsObjects, storage: EmbeddedStorage, tmp_path: Path
) -> None:
    sources = [put(gcs, name, name.encode()) for name in ("a", "b")]
    joined = gcs.compose(["a", "b"], "ab", content_type="text/plain")
    large = tmp_path / "large"
    large.write_bytes(bytes(MAX_PUT_BYTES + 1))
    denied = storage.faults.inject(Status(403), method="POST", count=ALWAYS)
    assert put_once(gcs, "a", b"a", content_type="text/plain") == sources[0]
    assert gcs.compose(["a", "b"], "ab", content_type="text/plain") == joined
    with pytest.raises(ContentConflict):
        put_once(gcs, "a", b"other", content_type="text/plain")
    with pytest.raises(PreconditionFailed):
        gcs.put_file("a", large, content_type="text/plain", if_generation=0)
    with pytest.raises(PermissionMissing):
        gcs.put("a", b"other", content_type="text/plain", if_generation=sources[0].generation)
    with pytest.raises(PermissionMissing):
        gcs.put_file("c", large, content_type="text/plain", if_generation=0)
    assert denied.fired == 6


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_told(tmp_path: Path) -> None:
    nowhere = GcsObjects("law-no-such-bucket")
    path = tmp_path / "file"
    path.write_bytes(bytes(MAX_PUT_BYTES + 1))
    for call in (
        lambda: put(nowhere, "a", b"x"),
        lambda: nowhere.put_file("a", path, content_type="text/plain", if_generation=0),
        lambda: nowhere.get("a"),
        lambda: list(nowhere.listing("")),
    ):
        with pytest.raises(CloudSetupError, match="the bucket does not exist"):
            call()
    nowhere.close()


def test_a_lost_answer_of_a_write_is_a_failed_precondition_that_put_once_resolves(
    gcs: GcsObjects, storage: EmbeddedStorage
) -> None:
    lost = storage.faults.inject(Reset(), method="POST", path=UPLOADS, phase="after")
    with pytest.raises(PreconditionFailed):
        put(gcs, "raw", b"rows")
    assert lost.fired == 1
    lost_again = storage.faults.inject(Reset(), method="POST", path=UPLOADS, phase="after")
    info = put_once(gcs, "once", b"rows", content_type="text/plain")
    assert lost_again.fired == 1
    assert gcs.get("once") == (b"rows", info)


def test_a_deletion_whose_answer_is_lost_is_not_claimed(gcs: GcsObjects, storage: EmbeddedStorage) -> None:
    put(gcs, "gone", b"x")
    lost = storage.faults.inject(Reset(), method="DELETE", phase="after")
    assert not gcs.delete("gone")
    assert lost.fired == 1
    assert list(gcs.listing("")) == []


def test_lost_answers_while_joining_leave_one_object_and_no_rest(gcs: GcsObjects, storage: EmbeddedStorage) -> None:
    sources = [f"part-{number:02d}" for number in range(70)]
    for name in sources:
        put(gcs, name, name.encode())
    lost = storage.faults.inject(Reset(), method="POST", path="/compose", phase="after", count=2)
    info = gcs.compose(sources, "joined", content_type="text/plain")
    assert gcs.get("joined") == ("".join(sources).encode(), info)
    assert lost.fired == 2
    assert [found.name for found in gcs.listing("")] == ["joined", *sources]


def test_joining_that_is_given_up_leaves_no_rest_but_can_be_made_again(
    gcs: GcsObjects, storage: EmbeddedStorage, hasty: GcsObjects
) -> None:
    sources = [f"part-{number:02d}" for number in range(40)]
    for name in sources:
        put(gcs, name, name.encode())
    stuck = storage.faults.inject(Status(503), method="POST", path="/o/joined/compose", count=ALWAYS)
    with pytest.raises(TransientError):
        hasty.compose(sources, "joined", content_type="text/plain")
    assert stuck.fired > 1
    assert [found.name for found in gcs.listing("")] == sources
    storage.faults.clear()
    assert gcs.compose(sources, "joined", content_type="text/plain").size == 40 * len("part-00")


@pytest.mark.parametrize("status", [403, 503])
def test_what_cannot_be_deleted_after_joining_changes_nothing(
    gcs: GcsObjects, storage: EmbeddedStorage, hasty: GcsObjects, status: int
) -> None:
    sources = [f"part-{number:02d}" for number in range(40)]
    for name in sources:
        put(gcs, name, name.encode())
    kept = storage.faults.inject(Status(status), method="DELETE", count=ALWAYS)
    info = hasty.compose(sources, "joined", content_type="text/plain")
    assert kept.fired
    assert gcs.get("joined") == ("".join(sources).encode(), info)
    assert hasty.compose(sources, "joined", content_type="text/plain") == info
    left = {found.name for found in gcs.listing("")} - {"joined", *sources}
    assert len(left) == 4
    assert all(name.startswith(TEMPORARY_PREFIX) for name in left)


@pytest.mark.parametrize("status", [403, 503])
def test_what_cannot_be_deleted_hides_no_error_of_joining(
    gcs: GcsObjects, storage: EmbeddedStorage, hasty: GcsObjects, status: int
) -> None:
    sources = [f"part-{number:02d}" for number in range(40)]
    for name in sources:
        put(gcs, name, name.encode())
    put(gcs, "joined", b"other bytes")
    kept = storage.faults.inject(Status(status), method="DELETE", count=ALWAYS)
    with pytest.raises(ContentConflict):
        hasty.compose(sources, "joined", content_type="text/plain")
    assert kept.fired


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_large_file_goes_on_where_its_upload_broke(
    gcs: GcsObjects, storage: EmbeddedStorage, tmp_path: Path, phase: str
) -> None:
    data = os.urandom(2 * MAX_PUT_BYTES + 99)
    path = tmp_path / "file"
    path.write_bytes(data)
    fault = storage.faults.inject(Reset(), method="PUT", phase="after" if phase == "after" else "before", count=3)
    info = gcs.put_file("file", path, content_type="text/csv", if_generation=0)
    assert fault.fired == 3
    assert gcs.get("file") == (data, info)


def test_a_large_file_whose_last_answer_is_lost_is_there(
    gcs: GcsObjects, storage: EmbeddedStorage, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(MAX_PUT_BYTES + 1))
    fault = storage.faults.inject(Reset(), method="PUT", phase="after", count=2)
    info = gcs.put_file("file", path, content_type="text/csv", if_generation=0)
    assert fault.fired == 2
    assert gcs.info("file") == info


def test_a_stream_is_repeated_piece_by_piece(gcs: GcsObjects, storage: EmbeddedStorage, tmp_path: Path) -> None:
    data = os.urandom(2 * MAX_PUT_BYTES + 99)
    path = tmp_path / "file"
    path.write_bytes(data)
    info = gcs.put_file("file", path, content_type="text/csv", if_generation=0)
    fault = storage.faults.inject(Reset(), method="GET", path="alt=media", count=2)
    assert b"".join(gcs.stream("file", generation=info.generation)) == data
    assert fault.fired == 2


def test_an_object_replaced_while_it_is_read_is_read_anew(gcs: GcsObjects, bucket: str) -> None:
    """`get` makes two requests; whatever comes between them, bytes and facts belong together."""
    generation = put(gcs, "alias", b"0").generation
    stop, read = threading.Event(), 0
    writer = GcsObjects(bucket)

    def replace() -> None:
        current, number = generation, 0
        while not stop.is_set():
            number += 1
            data = str(number).encode()
            current = writer.put("alias", data, content_type="text/plain", if_generation=current).generation

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        while read < 20:
            try:
                data, info = gcs.get("alias")
            except TransientError:  # replaced five times in a row
                continue
            read += 1
            assert crc32c(data) == info.crc32c
    finally:
        stop.set()
        thread.join()
        writer.close()


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        objects = GcsObjects("law-silent", timeout_s=0.6)
        with pytest.raises(TransientError):
            objects.info("a")
        objects.close()


def test_a_refused_connection_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    objects = GcsObjects("law-refused", timeout_s=0.6)
    with pytest.raises(TransientError, match="refused"):
        objects.info("a")
    objects.close()
