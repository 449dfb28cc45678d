"""Which column holds the text and which the label, and whether the first record is a header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import InvalidInput
from training.split import MAX_LABELS
from worker.core.csv_detect import TEXT_NAMES

LABEL_NAMES = ("label", "sentiment", "class", "target", "category", "polarity", "rating", "stars")

_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the caller says about the columns; None where it says nothing.

    A column is named as in the header, or by its number from 1.
    """

    text: str | None = None
    label: str | None = None
    header: bool | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """What was found."""

    header: bool
    text: int
    label: int
    """Both from 0."""
    note: str
    """How it was found, for people."""


def choose_columns(sample: Sequence[Sequence[str]], wanted: Wanted) -> Columns:
    """Choose by option, else by well-known names in the first record, else by what the records hold.

    By content, the longest column on average is the text, and the one with the fewest different values is the label;
    the first record is a header when its label cell is no label of any other record. `sample` is the start of the
    file, its first record included. Raises InvalidInput.
    """
    first, rest = list(sample[0]), [row for row in sample[1:] if len(row) == len(sample[0])]
    text = _position(first, wanted.text, TEXT_NAMES, wanted.header, "--text-column")
    label = _position(first, wanted.label, LABEL_NAMES, wanted.header, "--label-column")
    by_content = text is None or label is None
    if text is None:
        text = _longest(rest, first, without=label)
    if label is None:
        label = _fewest_values(rest, first, without=text)
    if text == label:
        raise InvalidInput("same_column", "The text and the label are the same column. Name two different ones.")
    header = wanted.header
    if header is None:
        header = _is_header(first, rest, label, wanted, by_content=by_content)
    return Columns(header, text, label, _note(first, header, text, label, by_content=by_content))


def _position(
    first: list[str], wanted: str | None, known: Sequence[str], header: bool | None, option: str
) -> int | None:
    """Return the column that an option or a well-known name points at, None where neither does."""
    if wanted is None:
        names = [] if header is False else [cell.strip().lower() for cell in first]
        return next((names.index(name) for name in known if name in names), None)
    if _is_number(wanted):
        if 1 <= int(wanted) <= len(first):
            return int(wanted) - 1
    elif header is not False and wanted in first:
        return first.index(wanted)
    found = ", ".join(repr(cell[:_SHOWN_CHARS]) for cell in first[:20])
    raise InvalidInput(
        "missing_column",
        f"{option} {wanted!r} is no column. "
        + ("" if header is False else f"There are: {found}. ")
        + f"Give a number from 1 to {len(first)}"
        + (", as there is no header." if header is False else ", or a name."),
    )


def _longest(rest: list[Sequence[str]], first: list[str], *, without: int | None) -> int:
    columns = [column for column in range(len(first)) if column != without]
    if not columns:
        raise _one_column()
    return max(columns, key=lambda column: (sum(len(row[column]) for row in rest), -column))


def _fewest_values(rest: list[Sequence[str]], first: list[str], *, without: int) -> int:
    values = {column: len({row[column].strip() for row in rest}) for column in range(len(first)) if column != without}
    if not values:
        raise _one_column()
    if len(values) == 1:
        return next(iter(values))
    fewest = min(values.values())
    likely = [column for column, count in values.items() if count == fewest]
    if len(likely) > 1 or not 2 <= fewest <= MAX_LABELS:  # noqa: PLR2004 - a label has two values at least
        raise InvalidInput(
            "unclear_label",
            "It cannot be told which column is the label. Name it with --label-column (a number, with --no-header).",
        )
    return likely[0]


def _is_header(first: list[str], rest: list[Sequence[str]], label: int, wanted: Wanted, *, by_content: bool) -> bool:
    """Say whether the first record names the columns: it does where its names were used, else if it is unlike a row."""
    options = [option for option in (wanted.text, wanted.label) if option is not None]
    if any(not _is_number(option) for option in options) or not (by_content or options):
        return True
    return first[label].strip() not in {row[label].strip() for row in rest}


def _is_number(option: str) -> bool:
    return option.isascii() and option.isdigit()


def _note(first: list[str], header: bool, text: int, label: int, *, by_content: bool) -> str:
    if header:
        names = f"text in {first[text][:_SHOWN_CHARS]!r}, label in {first[label][:_SHOWN_CHARS]!r}"
        return f"header: {names}" + (" (found by content)" if by_content else "")
    return f"no header: text in column {text + 1}, label in column {label + 1}" + (
        " (found by content)" if by_content else ""
    )


def _one_column() -> InvalidInput:
    return InvalidInput(
        "one_column", "The records have one field only; a text and a label are needed. Check --delimiter."
    )
