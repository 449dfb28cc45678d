"""The accounting of published reviews: a receipt held against the stored outcomes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.outcomes import Prediction, Receipt
from worker.core.ledger import Account, Tally
from worker.core.naming import parse_time, partition
from worker.core.reading import Outcome

_CLOCK_SKEW = timedelta(seconds=5)
_EPOCH = datetime.min.replace(tzinfo=UTC)

_Signature = tuple[object, ...]
"""What makes two stored outcomes of one text the same logical outcome."""


def _signature(outcome: Outcome) -> _Signature:
    if isinstance(outcome, Prediction):
        return ("prediction", outcome.label, outcome.probability, outcome.model, outcome.version)
    return ("rejection", outcome.code, outcome.stage, outcome.model, outcome.version)


@dataclass(slots=True)
class _Line:
    """One distinct line of the receipt, and the different outcomes found for it."""

    key: str
    digest: str
    partitions: tuple[str, ...] = ()
    enqueued: datetime = _EPOCH
    outcomes: tuple[_Signature, ...] = ()


class ReceiptLedger:
    """Holds the lines of a receipt against the stored outcomes, which may come in any order and repeatedly.

    A line's identity is its id and the digest of its text; the same line twice is one line. An outcome belongs to
    it when both are the same and it stands in a partition that the line was stamped for. A request that no one could
    read is known by its message id. Keeps about 500 bytes for each line. Not safe to use from several threads.
    """

    def __init__(self, receipt: Iterable[Receipt]) -> None:
        self._lines: dict[tuple[str, str], _Line] = {}
        self._by_key: dict[str, list[_Line]] = {}
        self._by_message: dict[str, _Line] = {}
        self._strangers: dict[tuple[str, str, str], str] = {}
        self._open = 0
        runs = set()
        for item in receipt:
            runs.add(item.receipt + "-")
            self._by_message[item.message_id] = self._line(item)
        self._runs = tuple(sorted(runs))

    def _line(self, item: Receipt) -> _Line:
        line = self._lines.get((item.id, item.text_sha256))
        if line is None:
            line = _Line(item.id, item.text_sha256)
            self._lines[item.id, item.text_sha256] = line
            self._by_key.setdefault(item.id, []).append(line)
            self._open += 1
        where = partition(item.enqueued_at, "")
        if where not in line.partitions:
            line.partitions += (where,)
        line.enqueued = parse_time(item.enqueued_at) or _EPOCH
        return line

    @property
    def partitions(self) -> list[str]:
        """The partitions that the outcomes of this receipt stand in."""
        return sorted({where for line in self._lines.values() for where in line.partitions})

    @property
    def read(self) -> int:
        """How many lines the receipt has."""
        return len(self._lines)

    @property
    def open(self) -> int:
        """How many lines have no outcome yet."""
        return self._open

    def add(self, where: str, outcome: Outcome) -> None:
        """Note one stored outcome of partition `where`; those of other senders are ignored."""
        line = self._owner(where, outcome)
        if line is not None:
            signature = _signature(outcome)
            self._open -= not line.outcomes
            if signature not in line.outcomes:
                line.outcomes += (signature,)
        elif self._claims_to_be_ours(where, outcome):
            identity = (where, outcome.key, outcome.text_sha256 or "")
            self._strangers[identity] = f"stored under {where} with message id {outcome.message_id or 'unknown'}"

    def _owner(self, where: str, outcome: Outcome) -> _Line | None:
        if outcome.key == f"m:{outcome.message_id}":
            line = self._sent_as(outcome)
            return line if line is not None and outcome.text_sha256 in {None, line.digest} else None
        lines = [line for line in self._by_key.get(outcome.key, []) if where in line.partitions]
        if outcome.text_sha256 is not None:
            return next((line for line in lines if line.digest == outcome.text_sha256), None)
        line = self._sent_as(outcome)
        return line if line in lines else next(iter(lines), None)

    def _sent_as(self, outcome: Outcome) -> _Line | None:
        """Return the line that was published under the outcome's message id.

        Emulators count message ids from 1 at every start, so an outcome that was published before the line was even
        queued is another message's.
        """
        line = self._by_message.get(outcome.message_id or "")
        published = parse_time(outcome.publish_time or "")
        if line is None or published is None or published < line.enqueued - _CLOCK_SKEW:
            return None
        return line

    def _claims_to_be_ours(self, where: str, outcome: Outcome) -> bool:
        """Say whether an outcome that fits no line bears a mark of this receipt.

        The same id and text in another partition is another publication of the row, and is accounted for there.
        """
        lines = self._by_key.get(outcome.key, [])
        if any(where in line.partitions for line in lines):
            return True
        if outcome.key.startswith(self._runs):
            return all(line.digest != outcome.text_sha256 for line in lines)
        return not lines and self._sent_as(outcome) is not None

    def account(self) -> Account:
        """Return the counts for what was added so far."""
        tally = Tally()
        clashes = self._clashes()
        for line in sorted(self._lines.values(), key=lambda line: (line.key, line.digest)):
            _judge(line, clashed=any((where, line.key) in clashes for where in line.partitions), tally=tally)
        for (where, key, _), detail in sorted(self._strangers.items()):
            if (where, key) not in clashes:
                tally.fault("unexpected", key, detail)
        return tally.account(len(self._lines))

    def _clashes(self) -> set[tuple[str, str]]:
        """Return the (partition, key) pairs with outcomes for two different texts: conflicts, counted as doubled."""
        answered: dict[tuple[str, str], int] = {}
        for line in self._lines.values():
            for where in line.partitions if line.outcomes else ():
                answered[where, line.key] = answered.get((where, line.key), 0) + 1
        strangers = {(where, key) for where, key, _ in self._strangers}
        return {pair for pair, lines in answered.items() if lines > 1 or pair in strangers}


def _judge(line: _Line, *, clashed: bool, tally: Tally) -> None:
    if not line.outcomes:
        tally.fault("missing", line.key, "has neither a prediction nor a rejection")
    elif clashed:
        tally.fault("doubled", line.key, "is in conflict: outcomes of different texts are stored under this id")
    elif len(line.outcomes) > 1:
        kinds = " and a ".join(sorted(str(signature[0]) for signature in line.outcomes))
        tally.fault("doubled", line.key, f"has {len(line.outcomes)} different outcomes: a {kinds}")
    else:
        tally.good("predicted" if line.outcomes[0][0] == "prediction" else "rejected")
