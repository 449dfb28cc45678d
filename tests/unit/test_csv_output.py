"""The bytes of a part: where it is cut, how cells are written, what fails alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.objects import MAX_PUT_BYTES
from schemas.jobs import Counts, Dialect, Header, JobSpec, Source
from worker.core.bisect_rows import Failure, Scored, score_each
from worker.core.csv_cells import cells_bytes, csv_line
from worker.core.csv_output import PartBuilder
from worker.core.output_lines import result_columns
from worker.core.pack import MAX_OBJECT_BYTES
from worker.core.row_batch import batch_of
from worker.core.rows import BadRow, Row, open_rows
from worker.core.scorer import Scores

LABELS = ("no", "ye,s")


def score(texts: Sequence[str]) -> Scores:
    if any(text.startswith("poison") for text in texts):
        raise RuntimeError("cannot score this")
    chosen = np.array([len(text) % 2 for text in texts], dtype=np.intp)
    return Scores(classes=LABELS, chosen=chosen, probabilities=None, decisions=None)


def spec(columns: Sequence[str], *, chunk_rows: int = 1_000_000, part_bytes: int = MAX_PUT_BYTES) -> JobSpec:
    return JobSpec(
        job="job-0",
        source=Source(bucket="b", object="o", generation=1, size=1, crc32c=""),
        model="linear_svc",
        version="v1",
        manifest_sha256="0" * 64,
        dialect=Dialect(),
        header=Header(columns=list(columns), first_byte=0, first_line=1),
        chunk_rows=chunk_rows,
        part_bytes=part_bytes,
    )


def row(number: int, *fields: str) -> Row:
    return Row(number, number + 1, number, fields[0], None, list(fields))


def add(builder: PartBuilder, one: Row) -> bool:
    return builder.add_batch(batch_of([one])) == 1


def test_no_object_is_larger_than_one_put() -> None:
    assert MAX_OBJECT_BYTES == MAX_PUT_BYTES
    largest = spec(["text"], part_bytes=MAX_PUT_BYTES)
    assert msgspec.convert(msgspec.to_builtins(largest), JobSpec) == largest
    before = {name: value for name, value in msgspec.to_builtins(largest).items() if name != "part_bytes"}
    assert msgspec.convert(before, JobSpec).part_bytes == 3 * 1024 * 1024  # as all jobs had when it was not kept
    with pytest.raises(msgspec.ValidationError, match="part_bytes"):
        msgspec.convert({**msgspec.to_builtins(largest), "part_bytes": MAX_PUT_BYTES + 1}, JobSpec)


def test_our_columns_get_other_names_where_the_file_has_them() -> None:
    assert result_columns(["text", "label", "reviewmill_label"]) == [
        "row",
        "reviewmill_reviewmill_label",
        "probability",
        "model",
        "version",
    ]


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), min_size=1))
def test_a_line_reads_back_as_its_cells(cells: list[str]) -> None:
    line = csv_line(cells)
    assert len(line.encode()) <= cells_bytes([[cell] for cell in cells], 1)[0]
    assert list(csv.reader(io.StringIO(line + "\n", newline=""), strict=True)) == [cells]
    header = ",".join(f"c{number}" for number in range(len(cells)))
    dialect = Dialect(text_column="c0")
    (ours,) = open_rows([f"{header}\n{line}\n".encode()], dialect)
    assert isinstance(ours, Row) == bool(cells[0])
    if isinstance(ours, Row):
        assert ours.fields == cells


@given(
    st.lists(st.text(st.sampled_from('a"\r\n,é€😀'), min_size=1, max_size=40), min_size=1, max_size=40),
    st.integers(200, 700),
    st.booleans(),
)
def test_no_part_is_larger_than_allowed(texts: list[str], max_bytes: int, with_header: bool) -> None:
    builder = PartBuilder(spec(["text"], part_bytes=max_bytes), LABELS, with_header=with_header)
    taken = builder.add_batch(batch_of([row(number, text) for number, text in enumerate(texts, 1)]))
    assert taken == len(texts) or not add(builder, row(taken + 1, texts[taken]))
    part = builder.finish(score)
    assert taken >= 1
    assert len(part.predictions) <= max_bytes or taken == 1
    assert part.counts == Counts(rows=taken, predictions=taken, rejections=0)


def test_a_part_ends_after_its_rows_good_and_bad() -> None:
    builder = PartBuilder(spec(["text"], chunk_rows=2), LABELS, with_header=True)
    assert builder.add(BadRow(1, 2, 5, "empty_text", "It is empty."))
    assert builder.add_batch(batch_of([row(2, "good"), row(3, "bad")])) == 1
    assert not add(builder, row(3, "bad"))
    assert not builder.add(BadRow(3, 4, 9, "empty_text", "It is empty."))


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(200, 700))
def test_where_a_part_ends_does_not_depend_on_the_batches(sizes: list[int], max_bytes: int) -> None:
    rows = [row(number, "some text" * number) for number in range(1, sum(sizes) + 1)]
    one = PartBuilder(spec(["text"], chunk_rows=25, part_bytes=max_bytes), LABELS, with_header=True)
    many = PartBuilder(spec(["text"], chunk_rows=25, part_bytes=max_bytes), LABELS, with_header=True)
    taken = one.add_batch(batch_of(rows))
    at = 0
    for size in sizes:
        fitting = many.add_batch(batch_of(rows[at : at + size]))
        at += fitting
        if fitting < size:
            break
    assert at == taken
    assert one.finish(score) == many.finish(score)


def test_a_part_of_no_rows_has_the_header_alone() -> None:
    part = PartBuilder(spec(["text"]), LABELS, with_header=True).finish(score)
    assert part.predictions == b"text,row,label,probability,model,version\n"
    assert part.rejections == []


def test_thousands_of_failures_are_cut_into_objects() -> None:
    builder = PartBuilder(spec(["text"], part_bytes=10_000), LABELS, with_header=False)
    count = 0
    while add(builder, row(count + 1, "poison")):
        count += 1
    part = builder.finish(score)
    assert part.predictions == b""
    assert len(part.rejections) > 1
    assert all(len(data) <= 10_000 and data.endswith(b"\n") for data in part.rejections)
    assert sum(data.count(b"\n") for data in part.rejections) == part.counts.rejections == count


def test_no_probability_is_an_empty_cell() -> None:
    builder = PartBuilder(spec(["text"]), LABELS, with_header=False)
    assert add(builder, row(1, "odd"))
    assert builder.finish(score).predictions == b'odd,1,"ye,s",,linear_svc,v1\n'


@given(st.lists(st.sampled_from(["poison", "fine", "good one"]), max_size=60))
def test_only_the_rows_that_fail_are_failures(texts: list[str]) -> None:
    outcomes = score_each(score, texts)
    assert [isinstance(outcome, Failure) for outcome in outcomes] == [text == "poison" for text in texts]
    assert all(
        outcome == Scored(LABELS[len(text) % 2], None)
        for text, outcome in zip(texts, outcomes, strict=True)
        if text != "poison"
    )


def test_one_failing_row_costs_few_calls() -> None:
    calls = 0

    def counted(texts: Sequence[str]) -> Scores:
        nonlocal calls
        calls += 1
        return score(texts)

    score_each(counted, ["fine"] * 500 + ["poison"] + ["fine"] * 523)
    assert calls <= 2 * 10 + 1
