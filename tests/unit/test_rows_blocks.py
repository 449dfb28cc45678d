"""Many records at once give the very rows, bad rows and places that reading them one by one gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from worker.core.csv_blocks import cut_block
from worker.core.csv_records import RecordReader
from worker.core.plain_bytes import is_as_stored
from worker.core.row_rules import RowRules
from worker.core.rows import BadRow, Place, Row, RowBatch, first_place, open_rows, resume_rows

CASES = sorted((Path(__file__).parent.parent / "cases" / "csv").glob("*.yaml"))

PIECES = [
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"a",
    b"b c",
    b'a","',
    b'"a, b"',
    b'"x ""y"""',
    b"\0",
    b"\xff",
    b"=1",
]
PIECES += [b"\xc3\xa9", b'"\n"', b",,", b"id-1", b"\n\n", b"\t", b";"]
BYTES = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)
CELL = st.sampled_from(
    [b"a", b"", b'"a, b"', b'"two\nlines"', b'"say ""hi"""', b"\xc3\xa9", b'""', b"-1", b"x\0y", b"\xff"]
)
RAGGED = st.lists(st.lists(CELL, min_size=1, max_size=3).map(b",".join), max_size=30)
LINES = st.tuples(RAGGED, st.sampled_from([b"\n", b"\r\n", b"\r"])).map(lambda drawn: drawn[1].join(drawn[0]))
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", "\t", ";", "¦"]),
    quote=st.sampled_from(['"', '"', None]),
    header=st.just(False),
    text_column=st.sampled_from(["1", "2"]),
    id_column=st.sampled_from([None, "1", "2"]),
    encoding=st.sampled_from(["utf-8", "utf-8", "cp1252"]),
)


def one_by_one(data: bytes, dialect: Dialect) -> tuple[list[Row | BadRow], Place]:
    """Read exactly, from where the rows start; return the items and the end."""
    header = open_rows([data], dialect).header
    start = first_place(header)
    rules = RowRules(dialect, header)
    reader = RecordReader(
        [data[start.byte :]],
        delimiter=dialect.delimiter.encode(rules.encoding),
        quote=None if dialect.quote is None else dialect.quote.encode(),
        byte=start.byte,
        line=start.line,
    )
    items: list[Row | BadRow] = []
    while (record := reader.one()) is not None:
        items.append(rules.item(record, len(items) + 1))
    return items, Place(reader.byte, reader.line, len(items) + 1)


def check(data: bytes, dialect: Dialect, chunks: list[bytes] | None = None) -> int:
    """Compare both ways; return the number of rows in batches of more than one."""
    reader = open_rows(chunks or [data], dialect)
    batches = list(reader.batches())
    items, end = one_by_one(data, dialect)
    found: list[Row | BadRow] = []
    for batch in batches:
        found += [batch] if isinstance(batch, BadRow) else list(batch.rows())
    assert found == items
    assert reader.end == end
    good = [batch for batch in batches if isinstance(batch, RowBatch)]
    assert all(batch.place(len(batch) - 1).row == batch.first_row + len(batch) - 1 for batch in good)
    return sum(len(batch) for batch in good if len(batch) > 1)


@given(st.one_of(BYTES, LINES, st.binary(max_size=80)), DIALECTS)
@settings(max_examples=400)
def test_any_bytes_are_read_as_one_by_one(data: bytes, dialect: Dialect) -> None:
    try:
        open_rows([data], dialect)
    except InvalidInput:
        return
    check(data, dialect)


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_cases_are_read_as_one_by_one(path: Path) -> None:
    expected = yaml.safe_load(path.read_text())
    dialect = Dialect(**expected.get("dialect", {}))
    if "error" not in expected and is_as_stored(dialect) and dialect.format == "csv":
        (data,) = (file.read_bytes() for file in path.parent.glob(f"{path.stem}.*") if file != path)
        check(data, dialect)


GOOD = [
    b'%d,"a, b"\n',
    b"%d,plain\n",
    b'%d,"two\r\nlines"\r\n',
    b'%d,"say ""hi"""\n',
    b'"%d","caf\xc3\xa9"\n',
    b"%d,-1\n",
]
ODD = [
    b"%d,\n",
    b"%d\n",
    b"\n",
    b"!%d,x\n",
    b'%d,5" tall\n',
    b'%d,"open\n',
    b'%d,"a"b\n',
    b"%d,x\0\n",
    b"%d,\xff\n",
    b"%d,x\r",
]


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.3])
@pytest.mark.parametrize("chunk", [10_007, 10_000_000])
def test_large_files_with_more_or_less_trouble_are_read_as_one_by_one(share: float, chunk: int) -> None:
    random_lines = random.Random(f"{share}")
    lines = [b"id,text\n"]
    for number in range(12_000):
        kind = ODD if random_lines.random() < share else GOOD
        lines.append(random_lines.choice(kind).replace(b"%d", b"%d" % number))
    data = b"".join(lines)
    chunks = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    together = check(data, Dialect(id_column="id"), chunks)
    assert together > (10_000 if share < 0.001 else 500)


def test_reading_goes_on_at_any_row_of_a_batch() -> None:
    data = b"text,n\n" + b'"a, b",1\nc,2\n\n,3\n"d\ne",4\n' * 50
    dialect = Dialect()
    reader = open_rows([data], dialect)
    items = list(reader)
    for at in range(0, len(items), 7):
        place = Place(items[at].byte, items[at].line, items[at].row)
        assert list(resume_rows([data[place.byte :]], dialect, reader.header, place)) == items[at:]


def test_a_part_of_a_batch_is_its_rows() -> None:
    reader = open_rows([b"id,text\n" + b"".join(b'%d,"a, %d"\n' % (n, n) for n in range(20))], Dialect(id_column="id"))
    _, batch = reader.batches()
    assert isinstance(batch, RowBatch)
    assert list(batch.part(0, 19).rows()) == list(batch.rows())
    assert list(batch.part(3, 9).rows()) == list(batch.rows())[3:9]


def test_long_fields_are_read_beside_short_ones() -> None:
    long = b"x" * 140_000
    check(b"text,note\n" + b'"a, ""b""",' + long + b'\nc,"d ""e"""\n', Dialect())


def test_a_block_ends_before_trouble() -> None:
    data = b'a,b\n"c\nd",e\nf,5" g\nh,i\n'
    block = cut_block(data, 0, len(data), delimiter=ord(","), quote=ord('"'))
    assert block is not None
    assert (block.starts.tolist(), block.lines.tolist(), block.stop, block.troubled) == ([0, 4], [0, 1], 12, True)


def test_no_block_begins_with_trouble() -> None:
    for data in (b'a"b,c\nd\n', b'"a"b\nc\n', b"a\rb\nc\n", b'"a\nb\n', b"no line end"):
        assert cut_block(data, 0, len(data), delimiter=ord(","), quote=ord('"')) is None
