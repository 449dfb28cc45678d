"""What only a folder has: people who look into it and put files there, other processes, other file systems' rules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.crc import crc32c
from cloud.folder import FolderObjects
from cloud.objects import CloudSetupError, ObjectNotFound, PermissionMissing, TransientError

REPOSITORY = Path(__file__).parents[3]

RACING_WRITER = """
import sys
from pathlib import Path
from cloud.folder import FolderObjects
from cloud.objects import PreconditionFailed
objects = FolderObjects(Path(sys.argv[1]))
sys.stdin.read()
won = 0
for number in range(50):
    try:
        objects.put(f"race/{number}", sys.argv[2].encode(), content_type="text/plain", if_generation=0)
        won += 1
    except PreconditionFailed:
        pass
print(won)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def put(folder: Path, name: str, data: bytes) -> int:
    return FolderObjects(folder).put(name, data, content_type="text/csv", if_generation=0).generation


def test_a_name_is_a_path(folder: Path) -> None:
    put(folder, "models/linear_svc_model/current.json", b"{}")
    assert (folder / "models/linear_svc_model/current.json").read_bytes() == b"{}"


def test_nothing_is_made_by_reading(folder: Path) -> None:
    objects = FolderObjects(folder)
    assert list(objects.listing("")) == []
    with pytest.raises(ObjectNotFound):
        objects.get("a")
    assert not folder.exists()


def test_no_name_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    for name in (
        "../outside",
        "a/../../outside",
        str(tmp_path / "outside"),
        "a/./../../outside",
        ".reviewmill/../../outside",
    ):
        put(folder, name, b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_symbolic_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "file-link").symlink_to(secret / "file")
    objects = FolderObjects(folder)
    for name in ("link/file", "file-link"):
        with pytest.raises(ObjectNotFound):
            objects.get(name)
        put(folder, name, b"mine")
        assert objects.get(name)[0] == b"mine"
    assert (secret / "file").read_bytes() == b"secret"
    assert [path.name for path in secret.iterdir()] == ["file"]


def test_a_file_that_a_person_put_there_is_an_object(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data/reviews.csv").write_bytes(b"text\ngood\n")
    objects = FolderObjects(folder)
    data, info = objects.get("data/reviews.csv")
    assert data == b"text\ngood\n"
    assert (info.size, info.crc32c, info.content_type) == (10, crc32c(data), "application/octet-stream")
    assert [found.name for found in objects.listing("")] == ["data/reviews.csv"]


def test_a_file_that_a_person_edits_is_a_new_generation(folder: Path) -> None:
    objects = FolderObjects(folder)
    generation = put(folder, "a.csv", b"before")
    path = folder / "a.csv"
    path.write_bytes(b"after!")
    os.utime(path, ns=(path.stat().st_atime_ns, (generation + 1) * 1000))
    data, info = objects.get("a.csv")
    assert (data, info.crc32c) == (b"after!", crc32c(b"after!"))
    assert info.generation > generation
    with pytest.raises(ObjectNotFound):
        objects.get("a.csv", generation=generation)


def test_a_stream_of_a_file_that_is_edited_meanwhile_says_so(folder: Path) -> None:
    info = FolderObjects(folder).put_file("a", _file(folder.parent, 3_000_000), content_type="x/y", if_generation=0)
    stream = FolderObjects(folder).stream("a", generation=info.generation)
    next(stream)
    with (folder / "a").open("r+b") as file:
        file.seek(2_500_000)
        file.write(b"edited")
    with pytest.raises(TransientError, match="changed while it was read"):
        list(stream)


def test_what_is_known_stays_known_to_another_process(folder: Path) -> None:
    written = FolderObjects(folder).put("a", b"1", content_type="text/csv", if_generation=0, metadata={"k": "v"})
    assert FolderObjects(folder).get("a") == (b"1", written)
    replaced = FolderObjects(folder).put("a", b"2", content_type="x/y", if_generation=written.generation)
    assert FolderObjects(folder).get("a") == (b"2", replaced)


def test_deleting_leaves_no_empty_folders_and_no_facts(folder: Path) -> None:
    objects = FolderObjects(folder)
    for name in ("a/b/c", "../x"):
        put(folder, name, b"1")
        objects.delete(name)
    assert [path.name for path in folder.iterdir()] == [".reviewmill"]
    files = sorted(path.name for path in folder.rglob("*") if path.is_file())
    assert files == ["last-generation", "lock"]


def test_of_processes_at_once_exactly_one_creates_each_object(folder: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", RACING_WRITER, str(folder), f"writer {number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            text=True,
        )
        for number in range(4)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    won = []
    for writer in writers:
        assert writer.stdout is not None
        won.append(int(writer.stdout.read()))
        writer.stdout.close()
        assert writer.wait(timeout=60) == 0
    assert sum(won) == 50
    assert len(list(FolderObjects(folder).listing("race/"))) == 50


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    objects = FolderObjects(tmp_path / "file")
    with pytest.raises(CloudSetupError, match="not a folder"):
        objects.put("a", b"x", content_type="x/y", if_generation=0)
    with pytest.raises(ObjectNotFound):
        objects.get("a")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_missing_permission_is_told(folder: Path) -> None:
    folder.mkdir(mode=0o500)
    with pytest.raises(PermissionMissing):
        put(folder, "a", b"x")


def test_a_named_pipe_is_no_object(folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    with pytest.raises(ObjectNotFound):
        FolderObjects(folder).get("pipe")
    assert list(FolderObjects(folder).listing("")) == []


def _file(folder: Path, size: int) -> Path:
    path = folder / "source"
    path.write_bytes(os.urandom(size))
    return path
