"""Bytes to labelled texts: columns are found, and every record is accounted for."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidInput
from schemas.jobs import Dialect
from training.clean import Example
from training.columns import Wanted
from training.load import Loaded, load
from training.source import Source

TSV = Dialect(delimiter="\t", quote=None)
CSV = Dialect()


def read(data: bytes, dialect: Dialect = CSV, wanted: Wanted | None = None) -> Loaded:
    return load(Source("made", lambda: iter([data])), dialect, wanted or Wanted())


@pytest.mark.parametrize(
    ("data", "dialect", "wanted", "note"),
    [
        (b"text,label\ngood,1\nbad,0\n", CSV, Wanted(), "header: text in 'text', label in 'label'"),
        (b"id,Sentiment,Review\n7,1,good\n8,0,bad\n", CSV, Wanted(), "header: text in 'Review', label in 'Sentiment'"),
        (b"\xef\xbb\xbftext,label\ngood,1\nbad,0\n", CSV, Wanted(), "header: text in 'text', label in 'label'"),
        (
            b"1\tgood one\n0\tbad one\n1\tgood two\n0\tbad two\n",
            TSV,
            Wanted(),
            "no header: text in column 2, label in column 1 (found by content)",
        ),
        (
            b"stars,opinion here\n1,good one\n0,bad one\n1,good two\n0,bad two\n",
            CSV,
            Wanted(),
            "header: text in 'opinion here', label in 'stars' (found by content)",
        ),
        (b"a,b,c\ngood,1,x\nbad,0,y\n", CSV, Wanted("a", "b"), "header: text in 'a', label in 'b'"),
        (b"good,1,x\nbad,0,y\n", CSV, Wanted("1", "2", header=False), "no header: text in column 1, label in column 2"),
        (b"good,1,x\nbad,0,y\nfine,1,z\n", CSV, Wanted("1", "2"), "no header: text in column 1, label in column 2"),
        (b"text,label\nlabel,1\n", CSV, Wanted(header=False, text="1"), "(found by content)"),
    ],
)
def test_columns_are_found_and_said(data: bytes, dialect: Dialect, wanted: Wanted, note: str) -> None:
    loaded = read(data, dialect, wanted)
    assert note in loaded.note
    header = loaded.note.startswith("header")
    assert loaded.rows_read == data.count(b"\n") - header
    assert loaded.dropped == {}


def test_files_sorted_by_label_are_understood() -> None:
    rows = [f"1\tgood number {i}" for i in range(3_000)] + [f"0\tbad number {i}" for i in range(3_000)]
    loaded = read("\n".join(rows).encode(), TSV)
    assert [example.label for example in loaded.examples] == ["1"] * 3_000 + ["0"] * 3_000


@pytest.mark.parametrize(
    ("data", "wanted", "code"),
    [
        (b"", Wanted(), "empty_file"),
        (b"\x1f\x8b\x08\x00", Wanted(), "compressed_file"),
        (b"only one column\nof text\n", Wanted(), "one_column"),
        (b"text,label\ngood,1\n", Wanted(text="body"), "missing_column"),
        (b"text,label\ngood,1\n", Wanted(text="3", header=False), "missing_column"),
        (b"text,label\ngood,1\n", Wanted(text="label"), "same_column"),
        (b"long text one,a,x\nlong text two,b,y\n", Wanted(), "unclear_label"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused(data: bytes, wanted: Wanted, code: str) -> None:
    with pytest.raises(InvalidInput) as error:
        read(data, CSV, wanted)
    assert error.value.code == code


def test_rows_that_teach_nothing_are_counted_by_cause() -> None:
    data = b'text,label\ngood,1\n,1\n  ,1\nno label,\nnot "closed,1\n"open,1\nthree,fields,here\n\xff,0\nbad,0\n'
    loaded = read(data)
    assert loaded.examples == [Example("good", "1"), Example('not "closed', "1"), Example("bad", "0")]
    assert loaded.dropped == {
        "empty_label": 1,
        "empty_text": 2,
        "invalid_encoding": 1,
        "too_many_fields": 1,
        "unclosed_quote": 1,
    }
    assert loaded.rows_read == data.count(b"\n") - 1


def test_unpaired_quotes_swallow_no_line_of_a_tsv() -> None:
    lines = ['1\t"a great film', "0\ta bad one", '1\tthe "best" of all', '0\t"', "1\tfine", '0\tends with "']
    loaded = read("\n".join(lines).encode(), TSV)
    assert [f"{example.label}\t{example.text}" for example in loaded.examples] == lines
    assert loaded.rows_read == len(lines)


@given(st.lists(st.tuples(st.text("ab\"' ,", min_size=1, max_size=8), st.sampled_from("01")), min_size=3, max_size=30))
def test_each_line_of_a_tsv_is_read_or_counted(rows: list[tuple[str, str]]) -> None:
    data = "".join(f"{label}\t{text}\n" for text, label in rows).encode()
    loaded = read(data, TSV, Wanted(text="2", label="1", header=False))
    assert loaded.rows_read == len(rows)
    assert [example.text for example in loaded.examples] == [text for text, _ in rows if text.strip()]


def test_the_digest_is_of_the_whole_file_whatever_its_chunks() -> None:
    data = b"text,label\n" + b"good,1\nbad,0\n" * 5_000
    chunked = Source("made", lambda: (data[i : i + 1_000] for i in range(0, len(data), 1_000)))
    assert load(chunked, CSV, Wanted()).sha256 == hashlib.sha256(data).hexdigest()


def test_labels_stay_strings_and_lose_white_space() -> None:
    assert {example.label for example in read(b"text,label\na, 01 \nb,1.0\n").examples} == {"01", "1.0"}
