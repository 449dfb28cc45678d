"""The accounting of a CSV job: the rows of the upload, read again, held against the stored outcomes. Pure."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence

from schemas.jobs import JobManifest
from schemas.outcomes import Rejection
from worker.core.ledger import Account, Tally

_BAD = 0
_MANY = 255


class JobLedger:
    """Holds every data row of an upload against the predictions and rejections of its job.

    Give all rows first, then the outcomes in any order. Keeps ten bytes for each row: 64 bits of a digest of the
    row's cells, and two counters. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self.labels: Counter[str] = Counter()
        """Stored predictions by label."""
        self.codes: Counter[str] = Counter()
        """Stored rejections by code."""
        self._wanted = array("Q")
        self._predicted = bytearray()
        self._rejected = bytearray()
        self._strangers: list[tuple[int, str]] = []

    def expect(self, row: int, cells: Sequence[str] | None) -> None:
        """Note data row number `row` (from 1, ascending by 1); no cells for a row that cannot be scored."""
        if row != len(self._wanted) + 1:
            raise ValueError(f"row {row} does not follow row {len(self._wanted)}")
        self._wanted.append(_BAD if cells is None else _fingerprint(cells))
        self._predicted.append(0)
        self._rejected.append(0)

    def predicted(self, row: int, cells: Sequence[str], label: str) -> None:
        """Note one stored prediction, with the cells of the upload's row that it repeats."""
        self.labels[label] += 1
        if not 1 <= row <= len(self._wanted):
            self.stranger(row, "a prediction for a row that the upload does not have")
        elif self._wanted[row - 1] == _BAD:
            self.stranger(row, "a prediction for a row that cannot be read")
        elif self._wanted[row - 1] != _fingerprint(cells):
            self.stranger(row, "a prediction with other cells than the row has")
        else:
            self._predicted[row - 1] = min(self._predicted[row - 1] + 1, _MANY)

    def rejected(self, rejection: Rejection) -> None:
        """Note one stored rejection."""
        self.codes[rejection.code] += 1
        row = rejection.row or 0
        if not 1 <= row <= len(self._wanted):
            self.stranger(row, "a rejection for a row that the upload does not have")
        elif rejection.stage == "parse" and self._wanted[row - 1] != _BAD:
            self.stranger(row, "a rejection at the stage 'parse' of a row that can be read")
        else:
            self._rejected[row - 1] = min(self._rejected[row - 1] + 1, _MANY)

    def stranger(self, row: int, detail: str) -> None:
        """Note a stored outcome that is not this job's; 0 where it names no row."""
        self._strangers.append((row, detail))

    def account(self) -> Account:
        """Return the counts for what was noted so far."""
        tally = Tally()
        for number, (predictions, rejections) in enumerate(zip(self._predicted, self._rejected, strict=True), 1):
            if predictions + rejections > 1:
                tally.fault("doubled", f"row {number}", f"has {predictions} predictions and {rejections} rejections")
            elif predictions:
                tally.good("predicted")
            elif rejections:
                tally.good("rejected")
            else:
                tally.fault("missing", f"row {number}", "has neither a prediction nor a rejection")
        for row, detail in sorted(self._strangers):
            tally.fault("unexpected", f"row {row}" if row else "no row", detail)
        return tally.account(len(self._wanted))


def _fingerprint(cells: Sequence[str]) -> int:
    """Return 64 bits that tell one row's cells from another's; never 0. Lengths stand in front: cells may hold all."""
    text = "".join(f"{len(cell)}:{cell}" for cell in cells)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) or 1


def manifest_faults(
    manifest: JobManifest, account: Account, ledger: JobLedger, stored: Mapping[str, tuple[int, str]]
) -> list[str]:
    """Return a sentence for each statement of the manifest that the recount contradicts.

    `stored` has the size in bytes and the CRC32C of each object as its bytes were read, by name.
    """
    said = manifest.counts
    pairs = (
        ("rows", said.rows, account.read),
        ("predictions", said.predictions, account.predicted),
        ("rejections", said.rejections, account.rejected),
    )
    faults = [
        f"The manifest says {claim:,} {name}, the recount {found:,}." for name, claim, found in pairs if claim != found
    ]
    if manifest.labels != ledger.labels:
        faults.append("The manifest's counts by label are not those of the stored predictions.")
    if manifest.codes != ledger.codes:
        faults.append("The manifest's counts by code are not those of the stored rejections.")
    for item in manifest.objects:
        if item.name not in stored:
            faults.append(f"The object {item.name} of the manifest is not stored.")
        elif stored[item.name] != (item.size, item.crc32c):
            size, checksum = stored[item.name]
            faults.append(
                f"The object {item.name} holds {size:,} bytes with crc32c {checksum}; "
                f"the manifest says {item.size:,} with {item.crc32c}."
            )
    return faults
