"""What `reviewmill replay` prints: which labels changed how often, the first changed rows, where all of them are."""

from __future__ import annotations

import csv
import io
import shlex
import sys
from collections.abc import Iterator
from itertools import islice

from cloud.objects import Objects
from schemas.jobs import JobManifest
from schemas.replays import ReplaySummary
from worker.core.naming import replay_name
from worker.core.report_summary import counted
from worker.csv_parts import JobStore

_KINDS_SHOWN = 20
_ROWS_SHOWN = 20
_HEAD_BYTES = 256 * 1024
"""So much of the changes is read for the rows to show: labels and ids are short."""
_COLUMNS = ("row", "id", "label", "probability")


def show_replay(summary: ReplaySummary, results: Objects) -> None:
    """Print a stored replay on stdout, and on stderr what it does not cover. Blocks."""
    manifest = JobStore(results, summary.job).manifest()
    share = 100 * summary.changed / summary.rows if summary.rows else 0.0
    print(f"job       {summary.job}")
    print(f"model     {summary.model}: {summary.before} → {summary.after}")
    print(f"rows      {summary.rows:,}, of which {summary.changed:,} have another label ({share:.2f} %)")
    for change in summary.changes[:_KINDS_SHOWN]:
        print(f"{change.rows:>12,}  {_label(change.before)} → {_label(change.after)}")
    if len(summary.changes) > _KINDS_SHOWN:
        print(f"              and {len(summary.changes) - _KINDS_SHOWN:,} more kinds of change")
    _show_rows(summary, results)
    for stored in summary.objects:
        print(f"changes   {results.uri.rstrip('/')}/{stored.name}", flush=True)
    if manifest is not None:
        _say_what_is_left_out(summary, manifest)
        if summary.changed:
            print(f"All of them: {shlex.join(_all_of_them(summary, manifest))}", file=sys.stderr)


def _say_what_is_left_out(summary: ReplaySummary, manifest: JobManifest) -> None:
    others = [one for one in manifest.models if one.model != summary.model]
    if others:
        counts = ", ".join(f"{one.model} {one.predictions:,}" for one in others)
        rows = counted(sum(one.predictions for one in others), "row")
        print(f"note: left out {rows} of other models ({counts}); --model replays those of one.", file=sys.stderr)
    if manifest.state != "done":
        print(
            f"note: the job itself has failed. Of its file it came to {counted(manifest.counts.rows, 'row')}, and a "
            f"replay goes no further. {manifest.reason or ''}".rstrip(),
            file=sys.stderr,
        )


def _all_of_them(summary: ReplaySummary, manifest: JobManifest) -> list[str]:
    name = replay_name(summary.after, None if summary.model == manifest.model else summary.model)
    return ["reviewmill", "results", "job", summary.job, "--replay", name]


def _show_rows(summary: ReplaySummary, results: Objects) -> None:
    """Print the first changed rows in columns that are as wide as they need."""
    cells = [
        (row, identifier, f"{_label(before)} → {_label(after)}", _probabilities(old, new))
        for row, identifier, before, after, old, new in islice(_changes(summary, results), _ROWS_SHOWN)
    ]
    if not cells:
        return
    print(f"the first {len(cells)} of the changed rows:" if summary.changed > len(cells) else "the changed rows:")
    columns = [place for place in range(len(_COLUMNS)) if any(line[place] for line in cells)]
    table = [_COLUMNS, *cells]
    widths = [max(len(_plain(line[place])) for line in table) for place in columns]
    for line in table:
        shown = [_plain(line[place]).ljust(width) for place, width in zip(columns, widths, strict=True)]
        print(f"  {'  '.join(shown)}".rstrip())


def _changes(summary: ReplaySummary, results: Objects) -> Iterator[list[str]]:
    """Yield the changed rows at the head of the stored file: row, id, two labels, two probabilities."""
    for stored in summary.objects[:1]:
        info = results.info(stored.name)
        data = results.read(info.name, generation=info.generation, start=0, length=min(info.size, _HEAD_BYTES))
        rows = list(csv.reader(io.StringIO(data.decode(errors="replace"), newline="")))
        # What the end of the piece cuts off is not a row.
        yield from rows[1:] if len(data) == info.size else rows[1:-1]


def _label(label: str | None) -> str:
    return label or "(not scored)"


def _probabilities(old: str, new: str) -> str:
    shown = [f"{float(one):.4f}" if one else "none" for one in (old, new)]
    return " → ".join(shown) if old or new else ""


def _plain(text: str) -> str:
    """Return foreign text as it may be shown on a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
