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
from worker.core.vain_attempts import PastAttempt, why_vain
from worker.csv_parts import JSON_TYPE, PART_RECORD, read_document

_RECORD = re.compile(r".*/(\d{6,})\.json")
_END = re.compile(r".*/(\d{6,})\.end\.json")


class JobStopping(TransientError):  # noqa: N818 - a fact
    """The worker was told to stop: another one goes on with the job."""


class HandedOver(Exception):  # noqa: N818 - a fact
    """The job's ranges were handed to all workers as messages: this attempt is over, and nothing has failed."""


class Attempts:
    """The attempts at one job, `jobs/<id>/attempts/…`; create-only. Methods block; raises TransientError.

    Those at one range of a job have the range's folder in place of the job's id (see `range_folder`).
    """

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
            PART_RECORD.fullmatch(info.name) is not None
            for folder in ("parts/", "ranges/")
            for info in self._results.listing(job_object(self._job, folder))
        )
        number, token = max(begun, default=0) + 1, uuid.uuid4().hex
        while True:
            record = encode(JobAttempt(attempt=number, parts=parts, token=token))
            try:
                mine = put_once(self._results, self._name(f"{number:06d}.json"), record, content_type=JSON_TYPE)
            except ContentConflict:
                number += 1  # another worker has begun at the same moment
            else:
                return number, why_vain(self._past(begun, ended, mine.updated), parts=parts)

    def _past(self, begun: dict[int, ObjectInfo], ended: set[int], now: float) -> Iterator[PastAttempt]:
        """Yield the earlier attempts, the newest first; each is read when it is asked for."""
        for number in sorted(begun, reverse=True):
            record = read_document(self._results, begun[number].name, JobAttempt)
            end_name = self._name(f"{number:06d}.end.json")
            end = read_document(self._results, end_name, AttemptEnd) if number in ended else None
            if record is not None:
                yield PastAttempt(record.parts, end, now - begun[number].updated)

    def _end(self, number: int, error: Exception) -> None:
        # Text of errors that are not ours could repeat what a row says.
        ours = isinstance(error, (TransientError, CloudSetupError, ContentConflict, HandedOver))
        reason = str(error) if ours else f"a fault in the worker ({type(error).__name__}); its log says more"
        vain = not isinstance(error, (JobStopping, CloudSetupError, HandedOver))
        record = encode(AttemptEnd(attempt=number, reason=reason, vain=vain))
        put_once(self._results, self._name(f"{number:06d}.end.json"), record, content_type=JSON_TYPE)

    def _name(self, name: str) -> str:
        return job_object(self._job, f"attempts/{name}")
