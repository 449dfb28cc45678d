"""The accounting of a CSV job: the rows of the upload, read again, held against the stored outcomes. Pure."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping

from schemas.jobs import JobManifest
from worker.core.ledger import Account, Tally

_NO_ROW = 0
_MANY = 255


class JobLedger:
    """Holds every data row of an upload against the predictions and rejections of its job.

    Give all rows first, then the outcomes in any order. Keeps ten bytes for each row: 64 bits of a digest of the
    row's key and text, and two counters. Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._wanted = array("Q")
        self._predicted = bytearray()
        self._rejected = bytearray()
        self._strangers: list[tuple[int, str]] = []

    def expect(self, row: int, key: str, text_sha256: str | None) -> None:
        """Note data row number `row` (from 1, ascending by 1); no digest for a row that cannot be scored."""
        if row != len(self._wanted) + 1:
            raise ValueError(f"row {row} does not follow row {len(self._wanted)}")
        self._wanted.append(_NO_ROW if text_sha256 is None else _fingerprint(key, text_sha256))
        self._predicted.append(0)
        self._rejected.append(0)

    def predicted(self, row: int, key: str, text_sha256: str) -> None:
        """Note one stored prediction."""
        if not 1 <= row <= len(self._wanted):
            self._strangers.append((row, "a prediction for a row that the upload does not have"))
        elif self._wanted[row - 1] == _NO_ROW:
            self._strangers.append((row, "a prediction for a row that cannot be read"))
        elif self._wanted[row - 1] != _fingerprint(key, text_sha256):
            self._strangers.append((row, "a prediction with another key or text than the row has"))
        else:
            self._predicted[row - 1] = min(self._predicted[row - 1] + 1, _MANY)

    def rejected(self, row: int | None, stage: str) -> None:
        """Note one stored rejection."""
        if row is None or not 1 <= row <= len(self._wanted):
            self._strangers.append((row or 0, "a rejection for a row that the upload does not have"))
        elif stage == "parse" and self._wanted[row - 1] != _NO_ROW:
            self._strangers.append((row, "a rejection at the stage 'parse' of a row that can be read"))
        else:
            self._rejected[row - 1] = min(self._rejected[row - 1] + 1, _MANY)

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


def _fingerprint(key: str, text_sha256: str) -> int:
    """Return 64 bits that tell one row's key and text from another's; never 0."""
    digest = hashlib.sha256(f"{key}\n{text_sha256}".encode()).digest()
    return int.from_bytes(digest[:8]) or 1


def manifest_faults(manifest: JobManifest, account: Account, stored: Mapping[str, tuple[int, str]]) -> list[str]:
    """Return a sentence for each statement of the manifest that the recount contradicts.

    `stored` has the size in bytes and the CRC32C of each object as its bytes were read, by name.
    """
    said = (manifest.counts.rows, manifest.counts.predictions, manifest.counts.rejections)
    found = (account.read, account.predicted, account.rejected)
    faults = [
        f"The manifest says {said_count:,} {name}, the recount {found_count:,}."
        for name, said_count, found_count in zip(("rows", "predictions", "rejections"), said, found, strict=True)
        if said_count != found_count
    ]
    if sum(manifest.labels.values()) != manifest.counts.predictions:
        faults.append("The manifest's labels do not add up to its predictions.")
    if sum(manifest.codes.values()) != manifest.counts.rejections:
        faults.append("The manifest's rejection codes do not add up to its rejections.")
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
