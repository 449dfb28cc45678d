"""Hand-made bad files: each gives exactly the rows, bad rows or error that stand beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.rows import BadRow, Place, Row, open_rows, resume_rows, stored_byte

CASES = sorted((Path(__file__).parent.parent / "cases" / "csv").glob("*.yaml"))


def load(path: Path) -> tuple[bytes, Dialect, dict[str, Any]]:
    expected = yaml.safe_load(path.read_text())
    (data,) = (file.read_bytes() for file in path.parent.glob(f"{path.stem}.*") if file != path)
    return data, Dialect(**expected.get("dialect", {})), expected


def parametrize(*, errors: bool) -> pytest.MarkDecorator:
    paths = [path for path in CASES if ("error" in load(path)[2]) is errors]
    return pytest.mark.parametrize("path", paths, ids=[path.stem for path in paths])


def split(items: list[Row | BadRow]) -> tuple[list[list[Any]], list[list[Any]]]:
    rows = [[item.row, item.line, item.byte, item.text] for item in items if isinstance(item, Row)]
    bad = [[item.row, item.line, item.byte, item.code] for item in items if isinstance(item, BadRow)]
    return rows, bad


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 120


@parametrize(errors=False)
def test_rows_and_bad_rows_are_as_expected(path: Path) -> None:
    data, dialect, expected = load(path)
    reader = open_rows([data], dialect)
    items = list(reader)
    assert split(items) == (expected["rows"], expected["bad"])
    assert [item.row for item in items] == list(range(1, len(items) + 1))
    assert reader.end.row == len(items) + 1
    if stored_byte(dialect, reader.end):
        assert reader.end.byte == len(data)


@parametrize(errors=True)
def test_errors_of_the_whole_file_are_as_expected(path: Path) -> None:
    data, dialect, expected = load(path)
    with pytest.raises(InvalidInput) as caught:
        list(open_rows([data], dialect))
    assert caught.value.code == expected["error"]


@parametrize(errors=False)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_size_of_chunks_does_not_matter(path: Path, size: int) -> None:
    data, dialect, expected = load(path)
    chunks = [data[at : at + size] for at in range(0, len(data), size)]
    assert split(list(open_rows(chunks, dialect))) == (expected["rows"], expected["bad"])


@parametrize(errors=False)
def test_reading_can_go_on_at_every_row(path: Path) -> None:
    data, dialect, _ = load(path)
    reader = open_rows([data], dialect)
    items = list(reader)
    for at, item in enumerate(items):
        place = Place(item.byte, item.line, item.row)
        assert list(resume_rows([data[stored_byte(dialect, place) :]], dialect, reader.header, place)) == items[at:]


@parametrize(errors=False)
def test_no_reason_repeats_the_text(path: Path) -> None:
    data, dialect, _ = load(path)
    for item in open_rows([data], dialect):
        if isinstance(item, BadRow):
            assert item.reason.endswith(".")
            assert not any(word in item.reason for word in ("good", "great", "stuff", "really", "caf"))
