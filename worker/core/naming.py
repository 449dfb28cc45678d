"""Deterministic object names: the same input is stored under the same name."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

SPEC = "spec.json"
PLAN = "ranges.json"
PREDICTIONS = "predictions.csv"
PREDICTIONS_JSONL = "predictions.jsonl"
PREDICTIONS_PARQUET = "predictions.parquet"
REJECTIONS = "rejections.jsonl"
REPORT = "report.html"
MANIFEST = "manifest.json"
"""What a job's folder holds beside its parts, for `job_object`."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def parse_time(stamp: str) -> datetime | None:
    """Return an RFC 3339 time in UTC, or None for anything else (nanoseconds are cut to microseconds)."""
    if not _RFC3339.fullmatch(stamp):
        return None
    try:
        # Digits after the sixth decimal are cut off (https://docs.python.org/3.11/library/datetime.html).
        moment = datetime.fromisoformat(stamp)
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def utc_text(stamp: str) -> str | None:
    """Return an RFC 3339 time in UTC with six decimals, such as 2026-11-22T18:05:09.123456Z; None for anything else."""
    moment = parse_time(stamp)
    if moment is None:
        return None
    if stamp.endswith("Z"):
        # Slices: this runs twice a message, and isoformat takes longer than decoding the message.
        return f"{stamp[:19]}.{stamp[20:26].rstrip('Z'):0<6}Z"
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def partition(enqueued_at: str | None, publish_time: str) -> str:
    """Return `dt=YYYY-MM-DD/hr=HH` of the time the publisher stamped, else of the publish time.

    A redelivered or republished review keeps its stamp, so all its rows meet in one partition.
    """
    moment = utc_text(enqueued_at or "") or utc_text(publish_time)
    if moment is None:
        return "dt=unknown/hr=unknown"
    return f"dt={moment[:10]}/hr={moment[11:13]}"


def reviews_object(kind: str, part: str, payload: bytes) -> str:
    """Return the content-addressed name of a batch's rows; `kind` is `reviews` or `rejections`."""
    return f"{kind}/v1/{part}/{hashlib.sha256(payload).hexdigest()}.jsonl"


def reviews_folder(kind: str, part: str = "") -> str:
    """Return the prefix of what workers wrote for one partition, or for all."""
    return f"{kind}/v1/{part}/" if part else f"{kind}/v1/"


def sealed_folder(kind: str, part: str = "") -> str:
    """Return the prefix of the sealed sequences of one partition, or of all."""
    return f"sealed/v1/{kind}/{part}/" if part else f"sealed/v1/{kind}/"


def sealed_object(kind: str, part: str, sequence: int, name: str) -> str:
    """Return the name of an object of one sealed sequence, such as its `manifest.json`."""
    return f"{sealed_folder(kind, part)}{sequence:06d}/{name}"


def job_id(bucket: str, name: str, generation: int) -> str:
    """Return the id of the job for one generation of an uploaded object: readable stem and 16 hex digits."""
    digest = hashlib.sha256(f"{bucket}\n{name}\n{generation}".encode()).hexdigest()[:16]
    stem = re.sub(r"[^A-Za-z0-9]+", "-", name.rsplit("/", 1)[-1].partition(".")[0]).strip("-").lower()[:40]
    return f"{stem or 'job'}-{digest}"


def job_object(job: str, name: str) -> str:
    """Return the name of one of a job's objects, such as `manifest.json`."""
    return f"jobs/{job}/{name}"


def part_object(job: str, part: int, suffix: str) -> str:
    """Return the name of a part's object, such as `jobs/x/parts/000000.csv`."""
    return f"jobs/{job}/parts/{part:06d}.{suffix}"


def range_folder(job: str, number: int) -> str:
    """Return what stands for the job's id in the names of one range's parts and attempts."""
    return f"{job}/ranges/{number:06d}"


def finished_range(job: str, number: int) -> str:
    """Return the name of a range's record. Not among the parts, so that listing all records lists nothing else."""
    return f"jobs/{job}/finished/{number:06d}.json"


def replay_name(version: str, model: str | None = None) -> str:
    """Return how a replay is called in its job's folder, `replays/`: by its version, and its model where not the job's.

    A version's name holds no @.
    """
    return version if model is None else f"{model}@{version}"


def model_folder(model: str) -> str:
    """Return the folder of a classifier in the models bucket."""
    return f"models/{model}_model"


def model_file(model: str, version: str, name: str) -> str:
    """Return the name of one file of a model version."""
    return f"{model_folder(model)}/versions/{version}/{name}"


def model_alias(model: str) -> str:
    """Return the name of the alias that says which version is current."""
    return f"{model_folder(model)}/current.json"
