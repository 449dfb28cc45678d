"""Hands the ranges of a large CSV job to all workers: one message a range, on the topic of the uploads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from cloud.objects import CloudSetupError, TransientError
from cloud.queue import Topic
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.jobs import JobSpec
from schemas.ranges import RangePlace, RangePlan, RangeTask
from worker.csv_attempts import HandedOver
from worker.csv_range_store import RangeStore
from worker.csv_source import UploadedFile

_log = logging.getLogger(__name__)

_FLUSH_S = 30.0


class RangePublisher:
    """Publishes the tasks of a job to a topic."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic

    def __call__(self, tasks: Sequence[RangeTask]) -> None:
        """Publish, and wait until every message is accepted. Raises TransientError, CloudSetupError."""
        answers = [self._topic.publish(encode(task), task.attributes()) for task in tasks]
        self._topic.flush(timeout_s=_FLUSH_S)
        for answer in answers:
            answer.result(timeout=_FLUSH_S)


def share_ranges(
    spec: JobSpec,
    store: RangeStore,
    file: UploadedFile,
    *,
    publish: Callable[[Sequence[RangeTask]], object],
    go_on: Callable[[], object],
) -> None:
    """Plan the job's ranges, publish a task for each unfinished one, and raise HandedOver.

    Returns where the caller has to go on alone: the job is over but for its manifest, or no task can be published.
    Safe to call again: a plan that is stored is taken, and a range that is asked for twice gives the same. `go_on`
    is called at times, and raises where no more may be done. Blocks. Raises TransientError, ContentConflict.
    """
    if store.verdict(spec) is not None:
        return
    try:
        plan = store.plan() or store.settle_plan(_plan(spec, file, go_on))
    except InvalidInput:
        return  # the range that meets the cause says what it is
    finished, source = store.finished(), spec.source
    tasks = [
        RangeTask(source.bucket, source.object, source.generation, number)
        for number in range(len(plan.starts))
        if number not in finished
    ]
    if not tasks:
        return
    try:
        publish(tasks)
    except (TransientError, CloudSetupError) as error:
        _log.warning("the ranges of job %s cannot be shared, so this worker does them alone: %s", spec.job, error)
        return
    raise HandedOver(f"{len(tasks):,} ranges were handed to all workers.")


def _plan(spec: JobSpec, file: UploadedFile, go_on: Callable[[], object]) -> RangePlan:
    """Read the whole file to find where its ranges start. Raises InvalidInput where it is gone."""
    assert spec.range_bytes is not msgspec.UNSET
    starts = []
    for place in file.range_starts(spec, spec.range_bytes):
        go_on()
        starts.append(RangePlace(place.byte, place.line, place.row))
    return RangePlan(spec.job, starts)
