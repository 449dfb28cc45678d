"""Cells of predictions: safe in spreadsheets, quoted where needed, exact otherwise."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.csv_cells import cells_bytes, number_cells, quoted_column, safe_cell, safe_column

CELLS = st.lists(st.text(st.sampled_from("=＝＋－＠！ｽ+-@\t\r\n,'\"ab5.é😀"), max_size=6), min_size=1, max_size=30)


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd",
        "-cmd",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1",
        "＋1",
        "－1",
        "＠A",
        "-",
        "--5",
        "-5+1",
        "+1 2",
        "-5%",
    ],
)
def test_a_cell_that_could_run_becomes_text(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


@pytest.mark.parametrize(
    "cell", ["", "-5", "+3.2", "-.5", "+5.", "-1e-9", "a=1", " =1", "'=1", "5", "good - bad", "！", "ｽ", "\ufeff=1"]
)
def test_other_cells_and_plain_numbers_stay(cell: str) -> None:
    assert safe_cell(cell) == cell


@pytest.mark.parametrize("digits", ["-٣", "+３", "-5\n"])
def test_only_plain_digits_make_a_number(digits: str) -> None:
    assert safe_cell(digits) == f"'{digits}"


@given(CELLS)
def test_a_column_is_made_of_its_cells(cells: list[str]) -> None:
    safe = safe_column(cells)
    assert safe == [safe_cell(cell) for cell in cells]
    for cell, written in zip(safe, quoted_column(safe), strict=True):
        assert [row[0] for row in csv.reader(io.StringIO(f"{written},x\n", newline=""), strict=True)] == [cell]
        assert len(written.encode()) <= cells_bytes([[cell]], 1)[0]


@given(CELLS)
def test_the_bound_holds_for_whole_lines(cells: list[str]) -> None:
    line = ",".join(quoted_column([safe_cell(cell) for cell in cells]))
    (bound,) = cells_bytes([[cell] for cell in cells], 1)
    assert len(line.encode()) <= bound


@given(st.lists(CELLS.map(lambda cells: [*cells, *[""] * 30][:4]), min_size=1, max_size=5))
def test_the_bound_of_a_row_is_that_of_its_cells(columns: list[list[str]]) -> None:
    together = cells_bytes(columns, 4).tolist()
    assert together == [int(cells_bytes([[cells[row]] for cells in columns], 1)[0]) for row in range(4)]
    assert cells_bytes([], 4).tolist() == [0] * 4


@given(st.lists(st.floats(1e-4, 1.0)))
def test_numbers_are_written_as_repr_writes_them(numbers: list[float]) -> None:
    assert number_cells(numbers) == [repr(number) for number in numbers]


@given(st.lists(st.floats(0.0, 1.0)))
def test_every_number_reads_back_the_same(numbers: list[float]) -> None:
    assert [float(cell) for cell in number_cells(numbers)] == numbers
