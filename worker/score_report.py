"""What `reviewmill score` says at its end: counts, rejections, and ids that stand for several texts."""

from __future__ import annotations

import sys
from collections import Counter
from typing import BinaryIO

from schemas.codec import encode
from schemas.outcomes import Rejection
from worker.core.id_conflicts import IdTexts
from worker.score_rows import Predicted

_SHOWN_REJECTIONS = 10


class Report:
    """Counts every row, and keeps the first rejections to show."""

    def __init__(self, rejections: BinaryIO | None) -> None:
        self.predictions = 0
        self.codes: Counter[str] = Counter()
        self._ids = IdTexts()
        self._rejections = rejections
        self._shown: list[Rejection] = []

    def predicted(self, one: Predicted) -> None:
        """Count one."""
        self.predictions += 1
        review = one.review
        if review.key != f"r:{review.row}":
            self._ids.note(review.row, review.key, review.text)

    def rejected(self, rejection: Rejection) -> None:
        """Count and write one."""
        self.codes[rejection.code] += 1
        if self._rejections is not None:
            self._rejections.write(encode(rejection) + b"\n")
        elif len(self._shown) < _SHOWN_REJECTIONS:
            self._shown.append(rejection)

    def show(self) -> bool:
        """Print the counts, conflicts, and rejections unless they have a file; say whether every row is in order."""
        for one in self._shown:
            print(f"rejected: row {one.row}, line {one.line}: {one.code}: {one.reason}", file=sys.stderr)
        rejected = self.codes.total()
        conflicts = self._ids.conflicts()
        if len(self._shown) < rejected and self._rejections is None:
            print(f"rejected: {rejected - len(self._shown):,} more; --rejections FILE keeps all", file=sys.stderr)
        causes = ", ".join(f"{code} {count:,}" for code, count in self.codes.most_common())
        rows = self.predictions + rejected
        counts = f"{rows:,} rows = {self.predictions:,} predictions + {rejected:,} rejections"
        print(counts + (f" ({causes})" if causes else ""), file=sys.stderr)
        if conflicts is not None:
            print(f"conflict: {conflicts.sentence()}", file=sys.stderr)
        return rejected == 0 and conflicts is None
