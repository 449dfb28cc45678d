"""What a fault run sends, and what must become of each row by offline scoring."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

from schemas.outcomes import text_digest
from tests.faults.ledger import Accepted, Answer
from worker.core.naming import partition
from worker.model_load import LoadedModel

SAMPLE = Path(__file__).parents[2] / "training" / "data" / "sentiment_sentences.csv"
_MODELS = ("logistic_regression", "linear_svc", "decision_tree")


@dataclass(frozen=True, slots=True)
class Load:
    """The messages with their right answers, and a CSV with the right label of each row."""

    messages: list[tuple[bytes, Accepted]]
    stamp: str
    file: bytes
    labels: list[str]


def texts(count: int) -> list[str]:
    """Return different texts, made of the sample's."""
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        sample = [row["text"] for row in csv.DictReader(file)]
    return [f"{sample[number % len(sample)]} {number}" for number in range(count)]


def make_load(messages: int, rows: int, models: dict[str, LoadedModel], stamp: str) -> Load:
    """Score everything offline first."""
    made = texts(max(messages, rows))
    answers = {name: _answers(models[name], made[:messages]) for name in _MODELS}
    sent = [_message(number, made[number], answers, stamp) for number in range(messages)]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "text"])
    writer.writerows((f"r{number}", text) for number, text in enumerate(made[:rows]))
    default = models["logistic_regression"].score(made[:rows])
    labels = [default.classes[chosen] for chosen in default.chosen]
    return Load(sent, stamp, out.getvalue().encode(), labels)


def _answers(model: LoadedModel, made: list[str]) -> list[Answer]:
    scores = model.score(made)
    return [
        ("prediction", scores.classes[chosen], repr(scores.confidence(row)), model.name, model.version)
        for row, chosen in enumerate(scores.chosen)
    ]


def _message(number: int, text: str, answers: dict[str, list[Answer]], stamp: str) -> tuple[bytes, Accepted]:
    key, name = f"k{number:06d}", _MODELS[number % len(_MODELS)]
    body = {"id": key, "text": text, "model": name}
    answer = answers[name][number]
    if number % 50 == 7:
        body["model"], answer = "bert", ("rejection", "unknown_model")
    elif number % 50 == 11:
        body["version"], answer = "v0", ("rejection", "unknown_version")
    accepted = Accepted(key, partition(stamp, stamp), text_digest(text), answer)
    return json.dumps(body).encode(), accepted
