"""Apache Beam's RunInference with a scikit-learn handler on the direct runner. For bench_csv, in a venv of its own.

At its best: strings as elements are several times as fast as arrays, and the runner that `DirectRunner` chooses itself,
where it can, is named.

beam_csv.py MODEL.joblib UPLOADS RESULTS; says "ready", takes `OBJECT GENERATION` from stdin, prints its figures. The
venv needs apache-beam, scikit-learn of the version that wrote the model, joblib, pandas and google-cloud-storage.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apache_beam as beam
import pandas as pd
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.ml.inference.sklearn_inference import ModelFileType, SklearnModelHandlerNumpy
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage


def predict(model: Any, batch: Iterable[Any], _arguments: Any = None) -> list[tuple[str, float]]:  # noqa: ANN401 - Beam's signature
    """Vectorise a batch once, and return label and probability of each text."""
    probabilities = model.predict_proba([str(text) for text in batch])
    labels = model.classes_[probabilities.argmax(axis=1)]
    return list(zip(labels.tolist(), probabilities.max(axis=1).tolist(), strict=True))


def line(result: PredictionResult) -> str:
    """Return a line of CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([str(result.example), *result.inference])
    return out.getvalue()


def main() -> None:
    """Run one pipeline."""
    path, uploads, results = sys.argv[1:]
    client = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"], credentials=AnonymousCredentials())
    handler = SklearnModelHandlerNumpy(
        path, model_file_type=ModelFileType.JOBLIB, inference_fn=predict, min_batch_size=64, max_batch_size=1_000
    )
    print("ready", flush=True)
    name, generation = sys.stdin.readline().split()
    data = client.bucket(uploads.removeprefix("gs://")).blob(name, generation=int(generation)).download_as_bytes()
    rows = pd.read_csv(io.BytesIO(data), keep_default_na=False, dtype=str)
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner="FnApiRunner") as pipeline:
            _ = (
                pipeline
                | beam.Create(list(rows["text"]))
                | RunInference(handler)
                | beam.Map(line)
                | beam.io.WriteToText(f"{folder}/out", num_shards=1, shard_name_template="")
            )
        target = client.bucket(results.removeprefix("gs://")).blob(f"beam/{name}-{os.getpid()}.csv")
        target.upload_from_filename(f"{folder}/out", timeout=600)
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = [entry.split()[1] for entry in status if "VmHWM" in entry]
    print(json.dumps({"rows": len(rows), "peak_mb": int(peak) / 1000}), flush=True)


if __name__ == "__main__":
    main()
