"""Faults for a server that is a process: planned in a JSON file, counted on stderr when the server ends."""

from pathlib import Path

import msgspec

from emulator.pubsub.faults import Faults, Kind
from emulator.pubsub.wire import grpc


class PlannedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault of the file; see `Faults.plan` for what the fields mean."""

    kind: Kind
    call: str | None = None
    """Such as Pull; needed for the kinds status and call_cut."""
    code: str = "UNAVAILABLE"
    times: int | None = 1
    every: int = 1
    seconds: float | None = None
    """How long the fault is there, from the server's start."""


def plan_file(faults: Faults, path: Path) -> None:
    """Plan every fault of a JSON file, a list of objects. Raises OSError, and ValueError for a wrong file."""
    for planned in msgspec.json.decode(path.read_bytes(), type=list[PlannedFault]):
        code = getattr(grpc.StatusCode, planned.code, None)
        if code is None:
            raise ValueError(f"{planned.code!r} is no gRPC status, such as UNAVAILABLE")
        faults.plan(
            planned.kind,
            planned.call,
            code=code,
            times=planned.times,
            every=max(1, planned.every),
            seconds=planned.seconds,
        )
