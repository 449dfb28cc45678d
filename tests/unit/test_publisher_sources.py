"""Files of reviews become entries, and no line vanishes."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher import raw_records, sources
from publisher.console import Unusable
from publisher.ids import Ids
from publisher.raw_records import RawBytes, RawRecord
from publisher.sources import Entry, csv_rows, json_lines
from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from schemas.requests import ReviewRequest
from worker.core.rows import BadRow, open_rows


def entries(data: bytes) -> list[Entry]:
    return list(json_lines(io.BytesIO(data)))


LINE = st.one_of(
    st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")),
    st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()),
)


@given(st.lists(LINE), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
def test_every_line_that_is_not_blank_is_one_entry(lines: list[bytes], end: bytes, ended: bool) -> None:
    found = entries(end.join(lines) + (end if ended else b""))
    blank = b" \t\r\n"
    expected = [(number, line.strip(blank)) for number, line in enumerate(lines, 1) if line.strip(blank)]
    if expected and lines[0].startswith(b"\xef\xbb\xbf"):
        return
    assert [(entry.line, entry.raw) for entry in found] == expected


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert entries(b'\xef\xbb\xbf{"text": "a"}\n')[0].content == ReviewRequest(text="a")


def test_a_line_without_end_is_counted_and_not_kept() -> None:
    endless = b"x" * (sources.MAX_LINE_BYTES + 5)
    found = entries(b'{"text": "a"}\n' + endless + b'\n{"text": "b"}\n' + endless)
    assert [entry.line for entry in found] == [1, 2, 3, 4]
    assert [entry.raw for entry in found] == [b'{"text": "a"}', b"", b'{"text": "b"}', b""]
    assert all(isinstance(found[at].content, InvalidInput) for at in (1, 3))


def test_a_line_of_just_the_limit_is_kept() -> None:
    line = b"x" * (sources.MAX_LINE_BYTES - 1)
    assert entries(line + b"\n{}")[0].raw == line


def test_csv_columns_become_fields() -> None:
    data = b"text;id;model;version;label\ngood;a;linear_svc;v1;1\nbad;;;;0\n"
    found = list(csv_rows(io.BytesIO(data), Dialect(delimiter=";")))
    assert [entry.content for entry in found] == [
        ReviewRequest(text="good", id="a", model="linear_svc", version="v1"),
        ReviewRequest(text="bad"),
    ]


def test_bad_cells_and_bad_rows_are_faults() -> None:
    data = b"text,id\nfine,not an id\n,b\nragged\ngood,c\n"
    found = list(csv_rows(io.BytesIO(data), Dialect()))
    codes = [entry.content.code if isinstance(entry.content, InvalidInput) else "" for entry in found]
    assert [entry.line for entry in found] == [1, 2, 3, 4]
    assert codes[0] == "invalid_id"
    assert codes[1] == "empty_text"
    assert codes[2] != ""
    assert codes[3] == ""
    assert json.loads(found[0].raw) == {"text": "fine", "id": "not an id"}
    records = [entry.record for entry in found]
    assert records == [None, RawRecord(b"text,id\n", b",b\n"), RawRecord(b"text,id\n", b"ragged\n"), None]


@given(st.lists(st.binary(max_size=20)), st.sampled_from([b"\n", b"\r\n", b"\r"]), st.integers(1, 40))
def test_no_byte_of_an_unreadable_row_is_lost(lines: list[bytes], end: bytes, chunk: int) -> None:
    data = b"text,id\n" + end.join(lines)
    seen = RawBytes(data[at : at + chunk] for at in range(0, len(data), chunk))
    reader = open_rows(seen.chunks(), Dialect())
    rows = list(reader)
    ends = [*[row.byte for row in rows[1:]], reader.end.byte][: len(rows)]
    assert [seen.between(row.byte, stop) for row, stop in zip(rows, ends, strict=True)] == [
        data[row.byte : stop] for row, stop in zip(rows, ends, strict=True)
    ]
    found = list(csv_rows(io.BytesIO(data), Dialect()))
    unread = [entry.record.raw for entry in found if entry.record is not None]
    bad = [data[row.byte : stop] for row, stop in zip(rows, ends, strict=True) if isinstance(row, BadRow)]
    assert unread == bad


def test_rows_out_of_utf_16_are_given_back_in_utf_8() -> None:
    data = "text,id\ngut,a\nl\u00fcckenhaft\n".encode("utf-16")
    found = list(csv_rows(io.BytesIO(data), Dialect(encoding="utf-16")))
    assert [entry.record and entry.record.raw for entry in found] == [None, "l\u00fcckenhaft\n".encode()]


def test_a_row_beyond_all_bounds_is_counted_and_not_kept() -> None:
    data = b"text,id\n" + b"x" * (raw_records.MAX_KEPT_BYTES + 3_000_000) + b"\ngood,a\nragged\n"
    found = list(csv_rows(io.BytesIO(data), Dialect()))
    assert [entry.record and entry.record.raw for entry in found] == [b"", None, b"ragged\n"]
    assert isinstance(found[0].content, InvalidInput)
    assert "mend it there" in found[0].content.reason


def test_without_a_header_no_column_is_guessed() -> None:
    dialect = Dialect(delimiter="\t", quote=None, header=False, text_column="2")
    found = list(csv_rows(io.BytesIO(b'id\ttext "x\n1\ty\n'), dialect))
    assert [entry.content for entry in found] == [ReviewRequest(text='text "x'), ReviewRequest(text="y")]


def test_an_unreadable_csv_is_named() -> None:
    with pytest.raises(Unusable, match="missing_column"):
        list(csv_rows(io.BytesIO(b"a,b\n1,2\n"), Dialect()))


def test_ids_tell_repeats_from_conflicts() -> None:
    ids = Ids()
    request = ReviewRequest(text="a", id="1")
    verdicts = [
        ids.check(one)
        for one in (
            request,
            ReviewRequest(text="a", id="1"),
            ReviewRequest(text="b", id="1"),
            request,
            ReviewRequest(text="b", id="2"),
            ReviewRequest(text="a", id="1", model="linear_svc"),
        )
    ]
    assert verdicts == ["new", "repeat", "conflict", "repeat", "new", "conflict"]
