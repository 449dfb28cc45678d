"""Sound documents of every kind, with every optional field: what the mutations start from."""

from __future__ import annotations

import io

import msgspec
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from schemas.codec import encode
from schemas.jobs import (
    AttemptEnd,
    Completion,
    Counts,
    Dialect,
    Header,
    JobAttempt,
    JobManifest,
    JobSpec,
    ModelShare,
    Output,
    PartRecord,
    PinnedModel,
    Source,
    StoredObject,
)
from schemas.models import Alias, Golden, ModelManifest, Profile, Split, StoredFile
from schemas.outcomes import Prediction, Receipt, Rejection
from schemas.ranges import RangePlace, RangePlan, RangeRecord, RangeTask
from schemas.replays import LabelChange, ReplaySummary
from schemas.report import PartReport, RejectedExample, RowExample
from schemas.sealed import SealedCounts, SealedObject, SealedPartition, SealedSource
from tests.unit.mutations import zipped
from training.compile import compile_pipeline
from worker.core.compiled import pack

HASH, STAMP, VERSION = "0123456789abcdef" * 4, "2026-11-22T18:05:09.123456Z", "20260131-0123456789ab"
NAME, MODEL = "1" * 64 + ".jsonl", "linear_svc"

SOURCE = Source("uploads", "a.csv", 7, 100, "AAAAAA==")
PROFILE = Profile({"1": 0.5, "0": 0.5}, [0.5, 0.75, 1.0], 4.5)
COUNTS = Counts(3, 2, 1)
STORED = StoredObject("jobs/j/parts/000000.csv", 5, "AAAAAA==")
PLACE = RangePlace(100, 3, 2)
REPORT = PartReport(
    "probability",
    [1, 1],
    [1, 1],
    2,
    9,
    [RowExample(1, "1", 0.9, "a", "good")],
    [RowExample(2, "0", 0.5)],
    {"1": {"good": 12}},
    {"empty_text": [RejectedExample(3, 4)]},
)
MANIFEST = ModelManifest(
    MODEL,
    VERSION,
    ["0", "1"],
    {"model.skops": StoredFile(5, HASH), "scorer.npz": StoredFile(6, HASH)},
    {"lowercase": True, "ngram_range": [1, 2]},
    {"C": 1.0},
    [Golden("good", "1", 0.9), Golden("bad", "0", None)],
    {"accuracy": 0.9},
    Split("reviews.csv", HASH, 9, {"empty": 1}, 6, 2),
    PROFILE,
    "1.9.0",
    "no kernel",
)

DOCUMENTS: dict[str, tuple[msgspec.Struct, ...]] = {
    "model alias": (Alias(VERSION, HASH, VERSION), Alias(VERSION, HASH)),
    "job spec": (
        JobSpec(
            "j",
            SOURCE,
            MODEL,
            VERSION,
            HASH,
            Dialect(id_column="id", row_model=MODEL, model_column="model"),
            Header(["text", "id"], 8, 2),
            1000,
            0.5,
            1_000_000,
            Output("jsonl", "keep", ["id"]),
            PROFILE,
            [PinnedModel(MODEL, VERSION, HASH)],
            1_000_000,
        ),
    ),
    "job part": (PartRecord(0, COUNTS, [STORED], 9, 2, 2, False, {"1": 2}, {"bad": 1}, REPORT, {MODEL: 2}),),
    "job manifest": (
        JobManifest(
            "j",
            "failed",
            SOURCE,
            MODEL,
            VERSION,
            COUNTS,
            {"1": 2},
            {"bad": 1},
            [STORED],
            {"read": 0.5},
            {"cpu_s": 1.5},
            "It is cut off.",
            [ModelShare(MODEL, VERSION, 2)],
        ),
    ),
    "other job documents": (
        JobAttempt(1, 0, "t"),
        AttemptEnd(1, "stopped", False),
        Completion("j", "gs://r/m", "done", COUNTS),
        RangePlan("j", [PLACE, PLACE]),
        RangeRecord(0, 1, COUNTS, PLACE, PLACE, False, "It is gone."),
        ReplaySummary("j", MODEL, VERSION, VERSION, 3, 1, [LabelChange("0", None, 1)], [STORED]),
    ),
    "sealed manifest": (
        SealedPartition(
            "reviews",
            "dt=2026-11-22/hr=18",
            1,
            [SealedSource(NAME, 3, 100, "AAAAAA==")],
            [SealedObject(NAME, 90, "AAAAAA==", 2)],
            SealedCounts(3, 2, 1, 0),
        ),
    ),
    "stored row": (
        Prediction("a1", "1", 0.9, MODEL, VERSION, HASH, "17", STAMP),
        Prediction("r:1", "1", None, MODEL, VERSION, HASH, row=1),
        Rejection("a1", "too_long", "decode", "Shorten it.", MODEL, VERSION, HASH, "17", STAMP),
        Rejection("r:2", "nul_byte", "parse", "Remove it.", row=2, line=3),
        Receipt("a1", HASH, "17", STAMP, "p1"),
    ),
}

REVIEWS = (
    b'{"text": "great, \\u00e9\\ud83d\\ude00", "id": "a1", "model": "linear_svc", "version": "v1"}',
    b'{"text": "bad"}',
)
CLASSIFY = (b'{"x": ["great", "bad"], "model": ["linear_svc"]}', b'{"x": ["great"], "model": "linear_svc"}')
PUSHES = (
    b'{"message": {"messageId": "1", "publishTime": "%s", "data": "YQ==", "attributes": {"a": "b"}},'
    b' "subscription": "s", "deliveryAttempt": 2}' % STAMP.encode(),
)
EVENTS = (
    b'{"bucket": "b", "name": "a.csv", "generation": "1", "size": "5"}',
    b'{"bucket": "b", "name": "a.csv", "generation": 1}',
)
TASKS = (encode(RangeTask("b", "a.csv", 1, 5)),)
NOTIFICATION = {"eventType": "OBJECT_FINALIZE", "bucketId": "b", "objectId": "a.csv", "objectGeneration": "1"}

CSV = (
    b'id,text,n\n1,good,a\n2,"so, so",b\n3,"he said ""no""\nand left",c\r\n4,bad,d\n',
    "id,text\n1,café 😀\n\n2,bad\n".encode(),
)
TSV = (b'text\tid\ngood\t1\n"bad"\t2\nso "so"\t3\n', "text\tid\ncafé\t1\r\n\r\nbad\t2".encode())
JSONL = (
    b'{"text": "good", "id": "a"}\n{"text": "bad", "model": "linear_svc"}\n\n{"text": "so so", "version": "v1"}\n',
)

_TEXTS, _LABELS = ["a good film", "a bad film", "so good", "so bad", "café"], ["yes", "no", "yes", "no", "yes"]


def _pipeline(classifier: object) -> Pipeline:
    return Pipeline([("v", TfidfVectorizer()), ("c", classifier)]).fit(_TEXTS, _LABELS)


NPZ = tuple(
    pack(compile_pipeline(_pipeline(classifier)))
    for classifier in (LogisticRegression(), DecisionTreeClassifier(random_state=0))
)


def _array(values: list[float]) -> bytes:
    target = io.BytesIO()
    np.save(target, np.asarray(values))
    return target.getvalue()


SKOPS = (
    zipped(
        {"schema.json": b'{"a": {"b": [1, "c", null]}, "d": 1.5}', "0.npy": _array([1.0, 2.0]), "1.npy": _array([])}
    ),
)
