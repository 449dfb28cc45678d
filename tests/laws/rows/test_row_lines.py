"""What a part holds is the same bytes whether its rows are records, columns of strings, or written one by one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.jobs import Dialect, Header, JobSpec, Output, Source
from worker.core.csv_cells import csv_line, safe_cell
from worker.core.csv_output import PartBuilder, PartContent
from worker.core.kernel import Kernel
from worker.core.kernel_texts import decode
from worker.core.output_options import kept_columns
from worker.core.record_texts import locate_cells
from worker.core.records import Records
from worker.core.rows import BadRow, RowBatch, first_place, open_rows, resume_rows
from worker.core.scorer import Scores

LABELS = ("no", 'ye,"s"', "möglich")

CELL = st.text(st.sampled_from("＝＋－＠！［ｽ=+-@\t\r\n,;'\"abE5.1é😀"), max_size=7) | st.sampled_from(
    ["-5", "+1.5e-3", "-.5", "-5.", "+.e1", "-1e", "=1+1", "-", "", "plain", "two words", "a" * 70, "-1e+", "+1E9"]
)
ROWS = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=25)
DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ",", "\t", ";"]),
    quote=st.sampled_from(['"', '"', "'", None]),
    text_column=st.sampled_from(["a", "b"]),
)
OUTPUTS = st.builds(
    Output,
    format=st.sampled_from(["csv", "csv", "jsonl"]),
    formulas=st.sampled_from(["safe", "keep"]),
    columns=st.sampled_from([None, None, [], ["b"], ["a", "c"]]),
)


def file_of(rows: Sequence[Sequence[str]], dialect: Dialect, *, quote_all: bool) -> bytes:
    """Return a file that holds the rows, as far as the dialect can say them."""
    if dialect.quote is None:
        special = str.maketrans("", "", "\r\n" + dialect.delimiter)
        lines = [dialect.delimiter.join(cell.translate(special) for cell in row) for row in rows]
        return "\n".join([dialect.delimiter.join("abc"), *lines, ""]).encode()
    text = io.StringIO(newline="")
    writer = csv.writer(
        text,
        delimiter=dialect.delimiter,
        quotechar=dialect.quote,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows([list("abc"), *rows])
    return text.getvalue().encode()


def spec_of(dialect: Dialect, header: Header, output: Output, chunk_rows: int, part_bytes: int = 1_000_000) -> JobSpec:
    return JobSpec(
        job="job-0",
        source=Source(bucket="b", object="o", generation=1, size=1, crc32c=""),
        model="linear_svc",
        version='v1,"x"',
        manifest_sha256="0" * 64,
        dialect=dialect,
        header=header,
        part_bytes=part_bytes,
        chunk_rows=chunk_rows,
        output=output,
    )


def score(texts: Sequence[str]) -> Scores:
    if any("poison" in text for text in texts):
        raise RuntimeError("cannot score this")
    # As of any model: what is between the words does not count.
    sizes = np.array([sum(len(word.encode()) for word in re.findall(r"\w+", text)) for text in texts])
    probabilities = np.column_stack([1 / (2 + sizes), sizes / 7_000, 1 - 1 / (1 + sizes)])
    return Scores(LABELS, probabilities.argmax(axis=1), probabilities, None)


def score_bytes(records: Sequence[Records], column: int) -> Scores:
    return score(decode(locate_cells(records, column)))


def parts_of(
    data: bytes, dialect: Dialect, output: Output, kernel: Kernel | None, limits: tuple[int, int]
) -> list[PartContent]:
    """Return the parts of a file."""
    header = open_rows([data], dialect).header
    spec = spec_of(dialect, header, output, *limits)
    rest = [data[header.first_byte :]]
    parts: list[PartContent] = []
    builder = PartBuilder(spec, LABELS, with_header=True)
    for item in resume_rows(rest, dialect, header, first_place(header), kernel=kernel).batches():
        at = 0
        while at < (1 if isinstance(item, BadRow) else len(item)):
            taken = int(builder.add(item)) if isinstance(item, BadRow) else builder.add_batch(item.part(at, len(item)))
            at += taken
            if not taken:
                parts.append(builder.finish(score, score_bytes=score_bytes))
                builder = PartBuilder(spec, LABELS, with_header=False)
    return [*parts, builder.finish(score, score_bytes=score_bytes)]


def one_by_one(data: bytes, dialect: Dialect, output: Output) -> str:
    """Return the lines of all rows that can be scored, made in the plainest way."""
    reader = open_rows([data], dialect)
    kept = kept_columns(output, reader.header)
    lines = []
    for item in reader:
        if isinstance(item, BadRow) or "poison" in item.text:
            continue
        scores = score([item.text])
        cells = [item.fields[place] for place in kept]
        if output.formulas == "safe":
            cells = [safe_cell(cell) for cell in cells]
        ours = [str(item.row), scores.labels[0], repr(scores.confidence(0)), "linear_svc", 'v1,"x"']
        lines.append(f"{csv_line([*cells, *ours])}\n")
    return "".join(lines)


@given(
    file=st.tuples(ROWS, DIALECTS, st.booleans()),
    output=OUTPUTS,
    limits=st.tuples(st.integers(1, 30), st.integers(200, 5_000)),
)
@settings(max_examples=200)
def test_parts_are_the_same_bytes(
    kernel: Kernel, file: tuple[list[list[str]], Dialect, bool], output: Output, limits: tuple[int, int]
) -> None:
    rows, dialect, quote_all = file
    data = file_of(rows, dialect, quote_all=quote_all)
    plain = parts_of(data, dialect, output, None, limits)
    assert parts_of(data, dialect, output, kernel, limits) == plain
    if output.format == "csv":
        lines = b"".join(part.predictions for part in plain).decode()
        expected = one_by_one(data, dialect, output)
        assert lines.endswith(expected)
        assert lines.removesuffix(expected).count("\n") == 1


@pytest.mark.parametrize("quote", list("+-.eE=5x"))
def test_a_quote_that_numbers_and_formulas_are_made_of(kernel: Kernel, quote: str) -> None:
    cells = ["-5", "+3e5", "-1E5", "-.5", "=1", "x", "-5x", "+-1", "--5", "e"]
    dialect = Dialect(quote=quote, text_column="a")
    data = file_of([["film", cell, cell + cell] for cell in cells], dialect, quote_all=True)
    plain = parts_of(data, dialect, Output(), None, (100, 10_000))
    assert parts_of(data, dialect, Output(), kernel, (100, 10_000)) == plain
    assert plain[0].counts.predictions == len(cells)


@pytest.mark.parametrize("poison", [[], ["poison"], ["poison", "fine", "more poison"]])
def test_a_row_that_cannot_be_scored_is_found_in_records_too(kernel: Kernel, poison: list[str]) -> None:
    texts = ["one", *poison, "two, or three", *poison, "-4"]
    data = file_of([[text, "b", "=c"] for text in texts], Dialect(text_column="a"), quote_all=False)
    dialect = Dialect(text_column="a")
    plain = parts_of(data, dialect, Output(), None, (10, 10_000))
    assert parts_of(data, dialect, Output(), kernel, (10, 10_000)) == plain
    assert plain[0].counts.rejections == sum("poison" in text for text in texts)


def test_scores_of_other_rows_are_refused(kernel: Kernel) -> None:
    data = b"text\none\ntwo\n"
    header = open_rows([data], Dialect()).header
    spec = spec_of(Dialect(), header, Output(), 10)
    (batch,) = resume_rows([data[5:]], Dialect(), header, first_place(header), kernel=kernel).batches()
    assert isinstance(batch, RowBatch)
    builder = PartBuilder(spec, LABELS, with_header=False)
    builder.add_batch(batch)
    wild = Scores(LABELS, np.array([0, 3]), None, None)
    with pytest.raises((ValueError, IndexError)):
        builder.finish(score, score_bytes=lambda *_: wild)


@pytest.mark.parametrize(
    "first_row", [1, 2, 9, 95, 998, 9_999, 99_990, 999_999, 9_999_995, 99_999_990, 10**9, 10**12 - 5]
)
def test_row_numbers_of_every_length(kernel: Kernel, first_row: int) -> None:
    data, dialect = b"".join([b"text\n", *(b"%d\n" % number for number in range(30))]), Dialect()
    header = open_rows([data], dialect).header
    spec = spec_of(dialect, header, Output(columns=[]), 100)
    parts = []
    for one in (kernel, None):
        rows = resume_rows([data[5:]], dialect, header, first_place(header), kernel=one)
        (batch,) = rows.batches()
        assert isinstance(batch, RowBatch)
        assert (batch.records is None) == (one is None)
        builder = PartBuilder(spec, LABELS, with_header=False)
        assert builder.add_batch(batch.part(0, len(batch), first_row=first_row)) == len(batch)
        parts.append(builder.finish(score, score_bytes=score_bytes))
    assert parts[0] == parts[1]
    numbers = [int(line.split(b",")[0]) for line in parts[0].predictions.splitlines()]
    assert numbers == list(range(first_row, first_row + 30))
