"""Google's sample of a streaming pull, with scikit-learn a message: the model is loaded once, messages come in threads.

The shape of `samples/snippets/subscriber.py` (receive_messages) in googleapis/python-pubsub, with its default flow
control and threads. Started by bench_stream.py in the environment of a local cloud, with the names of the subscription
and the bucket.
"""

from __future__ import annotations

import io
import json
import os
import sys

import joblib
from google.auth.credentials import AnonymousCredentials
from google.cloud import pubsub_v1, storage

subscription, bucket_name = sys.argv[1:]
project = os.environ["GOOGLE_CLOUD_PROJECT"]
bucket = storage.Client(project=project, credentials=AnonymousCredentials()).bucket(bucket_name)
model = joblib.load(io.BytesIO(bucket.blob("model.joblib").download_as_bytes()))


def callback(message: pubsub_v1.subscriber.message.Message) -> None:
    """Score one message and store its result."""
    review = json.loads(message.data)["text"]
    probabilities = model.predict_proba([review])[0]
    best = probabilities.argmax()
    result = {"id": message.message_id, "label": str(model.classes_[best]), "probability": float(probabilities[best])}
    bucket.blob(f"predictions/{message.message_id}.json").upload_from_string(json.dumps(result))
    message.ack()


subscriber = pubsub_v1.SubscriberClient()
path = subscriber.subscription_path(project, subscription)
with subscriber:
    subscriber.subscribe(path, callback=callback).result()
