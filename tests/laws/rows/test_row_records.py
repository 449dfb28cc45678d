"""Rows that the kernel finds are the very rows, bad rows and places that reading without it gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.kernel import Kernel
from worker.core.plain_bytes import is_as_stored
from worker.core.rows import BadRow, Row, RowBatch, first_place, open_rows, resume_rows

CASES = sorted((Path(__file__).parents[2] / "cases" / "csv").glob("*.yaml"))

PIECES = [
    *(
        b'"',
        b'""',
        b"'",
        b"''",
        b",",
        b"\n",
        b"\r",
        b"\r\n",
        b"a",
        b"b c",
        b'a","',
        b'"a, b"',
        b'"x ""y"""',
        b"'x, ''y'",
    ),
    *(b"\0", b"\xff", b"=1", b"\xc3\xa9", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xe2\x82", b"\xc0\xaf"),
    *(b'"\n"', b"'x, ''y'", b",,", b"id-1", b"id 1", b"\n\n", b"\t", b";", b"x" * 61, b"i" * 128, b"i" * 129),
]
BYTES = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)
CELL = st.sampled_from(
    [b"a", b"", b'"a, b"', b'"two\nlines"', b'"say ""hi"""', b"\xc3\xa9", b'""', b"-1", b"x\0y", b"\xff", b'"plain"']
)
LINES = st.tuples(
    st.lists(st.lists(CELL, min_size=1, max_size=3).map(b",".join), max_size=30),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
).map(lambda drawn: drawn[1].join(drawn[0]))
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", "\t", ";", "¦"]),
    quote=st.sampled_from(['"', '"', "'", None]),
    header=st.just(False),
    text_column=st.sampled_from(["1", "2"]),
    id_column=st.sampled_from([None, "1", "2"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "utf-8", "cp1252"]),
)


def check(kernel: Kernel, data: bytes, dialect: Dialect, piece: int | None = None) -> int:
    """Compare both ways; return how many rows the kernel found."""
    plain = open_rows([data], dialect)
    expected = list(plain)
    rest = data[plain.header.first_byte :]
    chunks = [rest] if piece is None else [rest[at : at + piece] for at in range(0, len(rest), piece)]
    reader = resume_rows(chunks, dialect, plain.header, first_place(plain.header), kernel=kernel)
    found: list[Row | BadRow] = []
    records = 0
    for batch in reader.batches():
        if isinstance(batch, BadRow):
            found.append(batch)
            continue
        records += batch.records is not None and len(batch)
        found += batch.rows()
        assert batch.row(len(batch) - 1) == found[-1]
        assert list(batch.part(1, len(batch)).rows()) == list(batch.rows())[1:]
        assert batch.place(len(batch) - 1).row == found[-1].row
    assert found == expected
    assert reader.end == plain.end
    return records


@given(data=st.one_of(BYTES, LINES, st.binary(max_size=80)), dialect=DIALECTS)
@settings(max_examples=400)
def test_any_bytes_are_read_as_without_it(kernel: Kernel, data: bytes, dialect: Dialect) -> None:
    try:
        open_rows([data], dialect)
    except InvalidInput:
        return
    check(kernel, data, dialect)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_cases_are_read_as_without_it(kernel: Kernel, path: Path) -> None:
    expected = yaml.safe_load(path.read_text())
    dialect = Dialect(**expected.get("dialect", {}))
    if "error" not in expected and is_as_stored(dialect) and dialect.format == "csv":
        (data,) = (file.read_bytes() for file in path.parent.glob(f"{path.stem}.*") if file != path)
        check(kernel, data, dialect)


def test_single_rows_of_a_very_wide_file_cost_their_own_cells_only(kernel: Kernel) -> None:
    """It took many minutes while each cell cost as much as its whole row."""
    columns, rows = 20_000, 30
    line = "good" + "," * (columns - 1)
    data = "\n".join([",".join(["text", *map(str, range(columns - 1))]), *[line] * rows]).encode()
    header = open_rows([data], Dialect()).header
    reader = resume_rows([data[header.first_byte :]], Dialect(), header, first_place(header), kernel=kernel)
    found = [batch.row(at) for batch in reader.batches() if isinstance(batch, RowBatch) for at in range(len(batch))]
    assert [row.fields for row in found] == [["good", *[""] * (columns - 1)]] * rows


@pytest.mark.parametrize(("columns", "quote"), [(2, '"'), (2, "'"), (2, None), (700, '"')])
def test_a_file_of_many_blocks(kernel: Kernel, columns: int, quote: str | None) -> None:
    draw = random.Random(1)
    cells = ["a", "é", "word " * (80 // columns), "-5", "=1+1", "", "x" * (6_000 // columns)]
    if quote:
        cells += [f"{quote}a,\n{quote}{quote}b{quote}", f"{quote}plain{quote}"]
    lines = [",".join(["some text", *draw.choices(cells, k=columns - 1)]) for _ in range(7_000 // columns + 290)]
    lines[7], lines[250] = "too,many,fields" * columns, "a\0," * (columns - 1)
    data = ("\n".join([",".join(f"c{number}" for number in range(columns)), *lines]) + "\n").encode()
    dialect = Dialect(text_column="c0", quote=quote)
    assert check(kernel, data, dialect, piece=70_001) > len(lines) * 0.9


def test_no_string_is_made_that_nobody_asks_for(kernel: Kernel) -> None:
    header = open_rows([b"text,n\n"], Dialect()).header
    (batch,) = resume_rows([b"one,1\ntwo,2\n"], Dialect(), header, first_place(header), kernel=kernel).batches()
    assert isinstance(batch, RowBatch)
    assert batch.records is not None
    assert not isinstance(batch.texts, list)
    assert list(batch.texts) == ["one", "two"]
