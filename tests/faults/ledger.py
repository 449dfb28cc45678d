"""The ledger of a fault run: what was accepted before it was published, against everything that is stored afterwards.

Stricter than `reviewmill verify`, which knows the receipt only: this one knows each row's right answer beforehand, and
where it belongs. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.outcomes import Prediction, Rejection

Answer = tuple[str, ...]
"""`("prediction", label, probability, model, version)` or `("rejection", code)`, all as text."""

_SHOWN = 5
_MAX_LINE_BYTES = 100_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """One request that was written down before it was sent."""

    key: str
    partition: str
    """Where its row belongs: of the hour that was stamped when it was sent."""
    text_sha256: str
    answer: Answer
    """By offline scoring, or the rejection's code."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts. All but `accepted`, `rows`, `repeated` and `dead_letters` must be zero."""

    accepted: int
    rows: int
    """Stored lines."""
    repeated: int
    """Stored lines beyond one for each key and partition: at-least-once storage, which readers leave out."""
    lost: int
    """Accepted, and neither predicted, rejected nor dead-lettered."""
    unexpected: int
    """Stored, and never accepted; damaged lines too."""
    doubled: int
    """Keys that a reader with deduplication still meets twice: in two partitions, or with two different answers."""
    wrong: int
    """Rows that are not what offline scoring says, or not where they belong."""
    conflicts: int
    """Keys under which two texts were answered."""
    dead_letters: int
    examples: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Say whether every accepted request ended once, right, and nothing else did."""
        return not (self.lost or self.unexpected or self.doubled or self.wrong or self.conflicts)

    @property
    def faults(self) -> set[str]:
        """Return the names of the counts that should be zero and are not."""
        return {name for name in ("lost", "unexpected", "doubled", "wrong", "conflicts") if getattr(self, name, 0)}

    def __str__(self) -> str:
        rate = self.repeated / self.rows if self.rows else 0.0
        return (
            f"accepted {self.accepted:,}: lost {self.lost:,}, unexpected {self.unexpected:,}, logically duplicated "
            f"{self.doubled:,}, wrong {self.wrong:,}, conflicts {self.conflicts:,}; physically duplicated "
            f"{self.repeated:,} of {self.rows:,} stored rows ({rate:.2%}); dead letters {self.dead_letters:,}"
        )


@dataclass(slots=True)
class Ledger:
    """Collects both sides. Requests are accepted before they are sent; rows are read when all is done."""

    _accepted: dict[str, Accepted] = field(default_factory=dict)
    _found: defaultdict[str, Counter[tuple[str, Answer, str]]] = field(default_factory=lambda: defaultdict(Counter))
    _damaged: list[str] = field(default_factory=list)
    _dead: set[str] = field(default_factory=set)

    def accept(self, request: Accepted) -> None:
        """Write a request down, before it is sent."""
        assert request.key not in self._accepted, "keys of a run are unique"
        self._accepted[request.key] = request

    def stored(self, name: str, data: bytes) -> None:
        """Take in one object of the results bucket, by its name."""
        kind, _, *where, _ = name.split("/")
        row_type: type[Prediction | Rejection] = Prediction if kind == "reviews" else Rejection
        for line in data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n"):
            try:
                row = decode(line, row_type, max_bytes=_MAX_LINE_BYTES)
            except InvalidInput as error:
                self._damaged.append(f"{name}: {error.code}")
            else:
                self._found[row.key]["/".join(where), answer_of(row), row.text_sha256 or ""] += 1

    def dead(self, keys: Iterable[str]) -> None:
        """Take in the ids of dead letters that are kept."""
        self._dead.update(keys)

    def verdict(self) -> Verdict:
        """Hold one side against the other."""
        lost = [key for key in self._accepted if not self._found.get(key) and key not in self._dead]
        unexpected = [key for key in self._found if key not in self._accepted]
        doubled = [key for key, rows in self._found.items() if len({(where, answer) for where, answer, _ in rows}) > 1]
        conflicts = [key for key, rows in self._found.items() if len({digest for _, _, digest in rows if digest}) > 1]
        wrong = [key for key in self._found if key in self._accepted and self._wrong(key)]
        named = {"lost": lost, "unexpected": unexpected, "doubled": doubled, "wrong": wrong, "conflict": conflicts}
        rows = sum(sum(counter.values()) for counter in self._found.values())
        places = sum(len({where for where, _, _ in counter}) for counter in self._found.values())
        return Verdict(
            accepted=len(self._accepted),
            rows=rows,
            repeated=rows - places,
            lost=len(lost),
            unexpected=len(unexpected) + len(self._damaged),
            doubled=len(doubled),
            wrong=len(wrong),
            conflicts=len(conflicts),
            dead_letters=len(self._dead),
            examples=tuple(
                f"{fault}: {key}: {dict(self._found.get(key, {}))}"
                for fault, keys in named.items()
                for key in keys[:_SHOWN]
            )
            + tuple(f"damaged: {what}" for what in self._damaged[:_SHOWN]),
        )

    def _wrong(self, key: str) -> bool:
        accepted = self._accepted[key]
        return any(
            where != accepted.partition or answer != accepted.answer or digest not in {"", accepted.text_sha256}
            for where, answer, digest in self._found[key]
        )


def answer_of(row: Prediction | Rejection) -> Answer:
    """Return what a stored row says became of its request."""
    if isinstance(row, Prediction):
        return "prediction", row.label, repr(row.probability), row.model, row.version
    return "rejection", row.code
