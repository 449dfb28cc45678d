"""Finds the CSV jobs of a results bucket and says how each stands, from the stored objects alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from cloud.objects import ObjectInfo, Objects
from publisher.stored_jobs import StoredJob
from publisher.stored_parts import StoredParts
from schemas.jobs import Source
from worker.core.naming import MANIFEST

State = Literal["running", "done", "failed"]
STATES: tuple[State, ...] = ("running", "done", "failed")

_RECORD = re.compile(r"(?:ranges/\d{6,}/)?parts/\d{6,}\.json")


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job's folder, as its listing shows it."""

    job: str
    begun: float
    """Unix time of its first object."""
    ended: float | None
    """Unix time of its manifest; None while there is none."""
    parts: int


@dataclass(frozen=True, slots=True)
class JobState:
    """How a job stands."""

    job: str
    state: State
    rows: int
    rejections: int
    parts: int
    begun: datetime
    duration_s: float
    """From the first object to the manifest, pauses between workers included; until now for a running job."""
    model: str | None
    version: str | None
    upload: str | None
    """None where no worker has got as far as a spec."""
    reason: str | None

    def as_row(self) -> dict[str, Any]:
        """Return it as JSON values."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "begun": self.begun.strftime("%Y-%m-%dT%H:%M:%SZ"), "duration_s": round(self.duration_s, 1)}


def find_jobs(results: Objects) -> list[FoundJob]:
    """Return the jobs of a results bucket, the newest first. Lists every object under `jobs/`, and reads none."""
    infos = (info for info in results.listing("jobs/") if info.name.count("/") > 1)
    found = [_found(job, members) for job, members in groupby(infos, key=lambda info: info.name.split("/")[1])]
    return sorted(found, key=lambda job: (-job.begun, job.job))


def job_states(results: Objects, found: Iterable[FoundJob], *, now: float) -> Iterator[JobState]:
    """Yield how each job stands: one object is read of a job that has ended, all part records of another."""
    for one in found:
        stored = StoredJob(results, one.job)
        yield _ended(stored, one) or _running(stored, one, now)


def _found(job: str, members: Iterable[ObjectInfo]) -> FoundJob:
    begun, ended, parts = float("inf"), None, 0
    for info in members:
        name = info.name.split("/", 2)[2]
        begun = min(begun, info.updated)
        parts += _RECORD.fullmatch(name) is not None
        if name == MANIFEST:
            ended = info.updated
    return FoundJob(job, begun, ended, parts)


def _ended(stored: StoredJob, found: FoundJob) -> JobState | None:
    manifest = stored.manifest()
    if manifest is None:
        return None
    return JobState(
        job=found.job,
        state="done" if manifest.state == "done" else "failed",
        rows=manifest.counts.rows,
        rejections=manifest.counts.rejections,
        parts=found.parts,
        begun=datetime.fromtimestamp(found.begun, UTC),
        duration_s=(found.ended or found.begun) - found.begun,
        model=manifest.model,
        version=manifest.version,
        upload=_upload(manifest.source),
        reason=manifest.reason,
    )


def _running(stored: StoredJob, found: FoundJob, now: float) -> JobState:
    so_far = StoredParts(stored)
    so_far.look()
    spec = so_far.spec
    return JobState(
        job=found.job,
        state="running",
        rows=so_far.rows,
        rejections=so_far.rejections,
        parts=so_far.parts,
        begun=datetime.fromtimestamp(found.begun, UTC),
        duration_s=max(0.0, now - found.begun),
        model=spec.model if spec else None,
        version=spec.version if spec else None,
        upload=_upload(spec.source) if spec else None,
        reason=None,
    )


def _upload(source: Source) -> str:
    return f"{source.object}#{source.generation}"
