"""The changed rows of a replay, as `reviewmill results job JOB --replay VERSION` shows them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from publisher.console import DONE, NotDone
from publisher.formats import Row, show_rows
from publisher.stored_jobs import StoredJob
from schemas.names import VERSION_NAME

_PROBABILITIES = ("probability_before", "probability_after")
_REPLAY = re.compile(rf"(?:([a-z_]+)@)?({VERSION_NAME})")


def replay_option(text: str) -> str:
    """Read the name of a replay, for argparse: a version, or MODEL@VERSION."""
    if not _REPLAY.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is no version, nor MODEL@VERSION for a replay of another model than the job's"
        )
    return text


def show_replay(job: StoredJob, replay: str, *, style: str, limit: int | None) -> int:
    """Print the changed rows of a replay and return the exit status. Blocks; raises NotDone where it is not stored."""
    records = job.changes(replay)
    header = next(records, None)
    if header is None or not job.has_replay(replay):
        raise NotDone(_not_there(job.job, replay))
    rows = (dict(zip(header, record, strict=True)) for record in records)
    show_rows(
        rows if style == "csv" else map(_values, rows), style=style, columns=header, table_columns=header, limit=limit
    )
    return DONE


def _values(texts: dict[str, str]) -> Row:
    """Return a row with numbers as such; a label or a probability that is not there is none."""
    numbers = {name: float(texts[name]) if texts[name] else None for name in _PROBABILITIES}
    others: Iterator[tuple[str, str | None]] = ((name, texts[name] or None) for name in ("id", "before", "after"))
    return {"row": int(texts["row"]), **dict(others), **numbers}


def _not_there(job: str, replay: str) -> str:
    model, version = _REPLAY.fullmatch(replay).groups()  # type: ignore[union-attr]  # argparse has looked
    named = f" --model {model}" if model else ""
    return f"The job {job} has no replay {replay}. Make it with: reviewmill replay {job}{named} --version {version}"
