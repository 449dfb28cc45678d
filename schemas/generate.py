"""Writes `schemas/v1/*.schema.json` from the types: `python -m schemas.generate`."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from schemas import jobs, models, outcomes, ranges, replays, requests, sealed

FOLDER = Path(__file__).parent / "v1"

DOCUMENTS: dict[str, type[msgspec.Struct]] = {
    "review_request": requests.ReviewRequest,
    "classify_request": requests.ClassifyRequest,
    "prediction": outcomes.Prediction,
    "rejection": outcomes.Rejection,
    "receipt": outcomes.Receipt,
    "model_manifest": models.ModelManifest,
    "model_alias": models.Alias,
    "job_spec": jobs.JobSpec,
    "job_part": jobs.PartRecord,
    "job_manifest": jobs.JobManifest,
    "job_attempt": jobs.JobAttempt,
    "job_attempt_end": jobs.AttemptEnd,
    "job_range_task": ranges.RangeTask,
    "job_range_plan": ranges.RangePlan,
    "job_range": ranges.RangeRecord,
    "job_replay": replays.ReplaySummary,
    "job_completion": jobs.Completion,
    "sealed_partition": sealed.SealedPartition,
}


def schema_text(kind: type[msgspec.Struct]) -> str:
    """Return the JSON Schema (2020-12) of a type, as stored."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind)}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Write every schema."""
    FOLDER.mkdir(exist_ok=True)
    for name, kind in DOCUMENTS.items():
        (FOLDER / f"{name}.schema.json").write_text(schema_text(kind))


if __name__ == "__main__":
    main()
