"""How often a CSV job was taken up: a job that makes no progress ends as failed instead of being tried for ever."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cloud.objects import CloudSetupError, ContentConflict, ObjectInfo, Objects, TransientError
from cloud.once import put_once
from schemas.codec import encode
from schemas.jobs import AttemptEnd, JobAttempt
from worker.core.naming import job_object
from worker.csv_parts import JSON_TYPE, read_document

VAIN_ATTEMPTS = 3
"""A job that stored no new part in so many attempts in a row is given up."""

SILENT_S = 45.0
"""An attempt that has begun so long ago, has not said how it ended and has stored no part since is over: its worker
was killed. Shorter than the lease of a killed worker's message (60 s), after which the next attempt begins; longer
than two deliveries of one event, which run at once, are apart. Measured by the bucket's clock alone."""

_RECORD = re.compile(r".*/(\d{6,})\.json")
_END = re.compile(r".*/(\d{6,})\.end\.json")
_KILLED = "it said nothing; its worker was killed, perhaps because its memory was used up"


class JobStopping(TransientError):  # noqa: N818 - a fact
    """The worker was told to stop: another one goes on with the job."""


class Attempts:
    """The attempts at one job, `jobs/<id>/attempts/…`; create-only. Methods block; raises TransientError."""

    def __init__(self, results: Objects, job: str) -> None:
        self._results = results
        self._job = job

    @contextmanager
    def one(self) -> Iterator[str | None]:
        """Record an attempt and, where it ends by an error, why; yields why the job must be given up, else None."""
        number, reason = self._begin()
        try:
            yield reason
        except Exception as error:
            # What has happened is more important than that it is stored; a killed worker leaves no record either.
            with suppress(TransientError, CloudSetupError, ContentConflict):
                self._end(number, error)
            raise

    def _begin(self) -> tuple[int, str | None]:
        infos = list(self._results.listing(self._name("")))
        begun = {int(match[1]): info for info in infos if (match := _RECORD.fullmatch(info.name))}
        ended = {int(match[1]) for info in infos if (match := _END.fullmatch(info.name))}
        parts = sum(
            _RECORD.fullmatch(info.name) is not None for info in self._results.listing(job_object(self._job, "parts/"))
        )
        number, token = max(begun, default=0) + 1, uuid.uuid4().hex
        while True:
            record = encode(JobAttempt(attempt=number, parts=parts, token=token))
            try:
                mine = put_once(self._results, self._name(f"{number:06d}.json"), record, content_type=JSON_TYPE)
            except ContentConflict:
                number += 1  # another worker has begun at the same moment
            else:
                return number, self._vain(begun, ended, parts, mine.updated)

    def _vain(self, begun: dict[int, ObjectInfo], ended: set[int], parts: int, now: float) -> str | None:
        """Return why the job must be given up: its last attempts are over and found as many parts as there are now."""
        reasons: list[str] = []
        for number in sorted(begun, reverse=True):
            end_name = self._name(f"{number:06d}.end.json")
            end = read_document(self._results, end_name, AttemptEnd) if number in ended else None
            if end is not None and not end.vain:
                continue
            record = read_document(self._results, begun[number].name, JobAttempt)
            running = end is None and now - begun[number].updated < SILENT_S
            if running or record is None or record.parts != parts:
                return None
            reasons.append(_KILLED if end is None else end.reason)
            if len(reasons) == VAIN_ATTEMPTS:
                return (
                    f"{VAIN_ATTEMPTS} attempts in a row stored no new part after the {parts:,} that there are. How the "
                    f"last one ended: {reasons[0].rstrip('.')}. See to the cause and upload the file again."
                )
        return None

    def _end(self, number: int, error: Exception) -> None:
        # Text of errors that are not ours could repeat what a row says.
        ours = isinstance(error, (TransientError, CloudSetupError, ContentConflict))
        reason = str(error) if ours else f"a fault in the worker ({type(error).__name__}); its log says more"
        vain = not isinstance(error, (JobStopping, CloudSetupError))
        record = encode(AttemptEnd(attempt=number, reason=reason, vain=vain))
        put_once(self._results, self._name(f"{number:06d}.end.json"), record, content_type=JSON_TYPE)

    def _name(self, name: str) -> str:
        return job_object(self._job, f"attempts/{name}")
