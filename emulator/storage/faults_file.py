"""Faults for a server that is a process: planned in a JSON file, counted on stderr when the server ends."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from emulator.storage.faults import Action, Delay, Faults, Phase, Reset, Stall, Status
from emulator.storage.faults_response import Slow, Truncated, WrongChecksum


class PlannedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of the file; see `Faults.inject` for what the fields mean."""

    action: Literal["status", "reset", "delay", "stall", "slow", "truncated", "wrong_checksum"]
    status: int = 503
    delay_s: float = 1.0
    """For delay, stall and slow."""
    method: str = "*"
    path: str = ""
    phase: Phase = "before"
    count: int | None = 1
    every: int = 1
    seconds: float | None = None
    """How long the fault is there, from the server's start."""
    name: str | None = None

    def what(self) -> Action:
        """Return the action."""
        if self.action == "status":
            return Status(self.status)
        if self.action == "reset":
            return Reset()
        if self.action == "truncated":
            return Truncated()
        if self.action == "wrong_checksum":
            return WrongChecksum()
        if self.action == "delay":
            return Delay(self.delay_s)
        return Stall(self.delay_s) if self.action == "stall" else Slow(self.delay_s)


def inject_file(faults: Faults, path: Path) -> None:
    """Inject every fault of a JSON file, a list of objects. Raises OSError, and ValueError for a wrong file."""
    for planned in msgspec.json.decode(path.read_bytes(), type=list[PlannedFault]):
        faults.inject(
            planned.what(),
            method=planned.method,
            path=planned.path,
            phase=planned.phase,
            count=planned.count,
            every=max(1, planned.every),
            seconds=planned.seconds,
            name=planned.name,
        )
