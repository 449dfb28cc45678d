"""The plain script at its best: reads with pandas, vectorises once, writes, in one process. For bench_csv.

plain_csv_once.py MODEL.joblib UPLOADS RESULTS [unscored]; says "ready", takes `OBJECT GENERATION` from stdin, prints
its figures. With `unscored` it only reads and writes: every row gets the same label and probability.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import joblib
import pandas as pd
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

path, uploads, results, *unscored = sys.argv[1:]
model = joblib.load(path)
client = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"], credentials=AnonymousCredentials())
print("ready", flush=True)
name, generation = sys.stdin.readline().split()
data = client.bucket(uploads.removeprefix("gs://")).blob(name, generation=int(generation)).download_as_bytes()
rows = pd.read_csv(io.BytesIO(data), keep_default_na=False, dtype=str)
if unscored:
    rows["label"], rows["probability"] = model.classes_[0], 0.8765432109876543
else:
    probabilities = model.predict_proba(rows["text"])
    rows["label"] = model.classes_[probabilities.argmax(axis=1)]
    rows["probability"] = probabilities.max(axis=1)
target = client.bucket(results.removeprefix("gs://")).blob(f"plain/{name}-{os.getpid()}.csv")
target.upload_from_string(rows.to_csv(index=False), timeout=600)
status = Path("/proc/self/status").read_text().splitlines()
(peak,) = [line.split()[1] for line in status if "VmHWM" in line]
print(json.dumps({"rows": len(rows), "peak_mb": int(peak) / 1000}), flush=True)
