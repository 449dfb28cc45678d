"""Times as people type them, cells as spreadsheets read them, options as argparse gives them."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import pytest

from publisher.console import Unusable
from publisher.formats import Row, show_rows
from publisher.options import add_dialect, at_least_one, dialect_of, known_model, positive
from publisher.when import days_between, point_in_time
from schemas.jobs import Dialect

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("90s", datetime(2026, 3, 1, 11, 58, 30, tzinfo=UTC)),
        ("15m", datetime(2026, 3, 1, 11, 45, tzinfo=UTC)),
        ("2h", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("7d", datetime(2026, 2, 22, 12, tzinfo=UTC)),
        ("999999999d", datetime.min.replace(tzinfo=UTC)),
        ("2026-02-01", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-02-01T10:00:00+02:00", datetime(2026, 2, 1, 8, tzinfo=UTC)),
    ],
)
def test_times_are_understood(words: str, meant: datetime) -> None:
    assert point_in_time(words, now=NOW) == meant


@pytest.mark.parametrize("words", ["", "yesterday", "5", "5w", "2026-13-01", "-5m", "2026-02-01 10:00"])
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(Unusable, match="is not a time"):
        point_in_time(words, now=NOW)


def test_days_are_listed_up_to_a_number() -> None:
    assert days_between(datetime(2026, 2, 27, 23, tzinfo=UTC), NOW, most=9) == [
        "2026-02-27",
        "2026-02-28",
        "2026-03-01",
    ]
    assert days_between(NOW, NOW, most=9) == ["2026-03-01"]
    assert days_between(datetime(2020, 1, 1, tzinfo=UTC), NOW, most=9) is None


def test_csv_cells_do_not_run_in_a_spreadsheet(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Row] = [{"key": "=1+1", "probability": -0.5, "row": None}, {"key": "a,b"}]
    show_rows(rows, style="csv", columns=["key", "probability", "row"], table_columns=[], limit=None)
    assert capsys.readouterr().out == 'key,probability,row\n\'=1+1,-0.5,\n"a,b",,\n'


def test_tables_show_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows([{"key": "a\x1b[31mb"}], style="table", columns=[], table_columns=["key"], limit=None)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "suffix", "dialect"),
    [
        ([], ".csv", Dialect()),
        ([], ".tsv", Dialect(delimiter="\t", quote=None)),
        (["--quote", '"'], ".tsv", Dialect(delimiter="\t")),
        (["--delimiter", "tab", "--quote", "none"], "", Dialect(delimiter="\t", quote=None)),
        (["--delimiter", ";", "--no-header", "--text-column", "3"], ".csv", Dialect(";", "3", header=False)),
        (["--id-column", "n", "--encoding", "cp1252"], ".csv", Dialect(id_column="n", encoding="cp1252")),
    ],
)
def test_dialects_follow_options_and_suffix(arguments: list[str], suffix: str, dialect: Dialect) -> None:
    parser = argparse.ArgumentParser()
    add_dialect(parser)
    assert dialect_of(parser.parse_args(arguments), suffix) == dialect


def test_numbers_are_checked() -> None:
    assert positive("0.5") == 0.5
    assert at_least_one("12") == 12
    for words in ("0", "-1", "nan", "inf", "x", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            positive(words)
    for words in ("0", "-1", "1.5", "x", "", "\u0661"):
        with pytest.raises(argparse.ArgumentTypeError):
            at_least_one(words)


def test_models_are_known_by_either_name() -> None:
    assert known_model(None) is None
    assert known_model("LinearSVC") == known_model("linear_svc") == "linear_svc"
    with pytest.raises(Unusable, match="--model oracle"):
        known_model("oracle")
