"""The parts of a CSV job → predictions.parquet, made by the worker that finishes the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cloud.objects import ContentConflict, ObjectInfo, ObjectNotFound, Objects, TransientError
from cloud.once import put_once
from schemas.errors import InvalidInput
from schemas.jobs import JobSpec
from worker.core.naming import PREDICTIONS_PARQUET, job_object
from worker.core.output_lines import output_columns
from worker.parquet.writing import parquet_pieces, require_pyarrow, writer_name

PARQUET_TYPE = "application/vnd.apache.parquet"


def predictions_parquet(
    results: Objects, spec: JobSpec, parts: list[str], *, go_on: Callable[[], object] = lambda: None
) -> ObjectInfo:
    """Write the file unless it is there, in create-only pieces that are composed; return what is stored.

    Reads the parts, JSON lines, one after the other. Another release of pyarrow may give other bytes of the same table,
    so pieces are named by it, and the first file that any worker composed counts. Safe to call again, and by several
    workers at once. `go_on` is called before each part, and raises where nothing more may be begun. Raises
    TransientError without pyarrow: another worker can finish the job.
    """
    target = job_object(spec.job, PREDICTIONS_PARQUET)
    try:
        return results.info(target)
    except ObjectNotFound:
        pass
    try:
        require_pyarrow()
    except InvalidInput as error:
        raise TransientError(f"this worker cannot finish job {spec.job}. {error.reason}") from None
    folder, names = job_object(spec.job, f"parquet/{writer_name()}"), []
    for number, piece in enumerate(parquet_pieces(_blocks(results, parts, go_on), output_columns(spec))):
        names.append(f"{folder}/{number:06d}")
        put_once(results, names[-1], piece, content_type=PARQUET_TYPE)
    try:
        return results.compose(names, target, content_type=PARQUET_TYPE)
    except ContentConflict:
        return results.info(target)


def _blocks(results: Objects, parts: list[str], go_on: Callable[[], object]) -> Iterator[bytes]:
    for part in parts:
        go_on()
        yield results.get(part)[0]
