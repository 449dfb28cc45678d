"""The plain script, as tutorials write it: one message, one model download, one prediction, one object.

Started by bench_pipeline.py in the environment of a local cloud: plain_stream.py SUBSCRIPTION BUCKET COUNT
"""

from __future__ import annotations

import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
from google.auth.credentials import AnonymousCredentials
from google.cloud import pubsub_v1, storage

subscription, bucket, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = storage.Client(project=os.environ["GOOGLE_CLOUD_PROJECT"], credentials=AnonymousCredentials())
subscriber = pubsub_v1.SubscriberClient()
path = subscriber.subscription_path(os.environ["GOOGLE_CLOUD_PROJECT"], subscription)
done = 0


def handle(message: pubsub_v1.subscriber.message.Message) -> None:
    """Score one message."""
    global done  # noqa: PLW0603 - as tutorials do
    review = json.loads(message.data)["text"]
    model = joblib.load(io.BytesIO(client.bucket(bucket).blob("model.joblib").download_as_bytes()))
    label = model.predict([review])[0]
    probability = model.predict_proba([review])[0].max()
    result = json.dumps({"id": message.message_id, "label": str(label), "probability": float(probability)})
    client.bucket(bucket).blob(f"predictions/{message.message_id}.json").upload_from_string(result)
    message.ack()
    done += 1
    if done == count:
        future.cancel()


future = subscriber.subscribe(
    path,
    callback=handle,
    flow_control=pubsub_v1.types.FlowControl(max_messages=10),
    scheduler=pubsub_v1.subscriber.scheduler.ThreadScheduler(ThreadPoolExecutor(1)),
)
future.result()
os._exit(0)
