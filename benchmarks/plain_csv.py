"""The plain script for a file: read with pandas, predict once, write.

plain_csv.py BUCKET OBJECT
"""

from __future__ import annotations

import io
import os
import sys

import joblib
import pandas as pd
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

bucket, name = sys.argv[1:]
client = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"], credentials=AnonymousCredentials())
model = joblib.load(io.BytesIO(client.bucket(bucket).blob("model.joblib").download_as_bytes()))
rows = pd.read_csv(io.BytesIO(client.bucket(bucket).blob(name).download_as_bytes()), keep_default_na=False, dtype=str)
rows["label"] = model.predict(rows["text"])
rows["probability"] = model.predict_proba(rows["text"]).max(axis=1)
client.bucket(bucket).blob(f"{name}.predictions.csv").upload_from_string(rows.to_csv(index=False))
