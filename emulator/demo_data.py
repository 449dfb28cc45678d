"""The demo's input, made from the sample that ships: a file of reviews for messages, and a CSV for a job."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

MESSAGES = 1_000
MODELS = ("logistic_regression", "linear_svc", "decision_tree", None)
"""Whom the messages go to in turn; None names no model, which means the default."""

EMPTY_ROWS = 2
"""Rows without a text that the CSV gets on purpose: they must end as rejections, and be counted."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """The two input files, and how many rows each holds."""

    reviews: Path
    messages: int
    job: Path
    rows: int


def write_files(sample: Path, folder: Path) -> DemoFiles:
    """Write both files into `folder`: the sample's first rows as messages, all others as the CSV."""
    with sample.open(encoding="utf-8", newline="") as file:
        texts = (row["text"] for row in csv.DictReader(file))
        first, rest = list(islice(texts, MESSAGES)), list(texts)
    reviews, job = folder / "reviews.jsonl", folder / "reviews.csv"
    with reviews.open("w", encoding="utf-8", newline="\n") as out:
        for number, text in enumerate(first):
            out.write(json.dumps(_request(number, text), ensure_ascii=False) + "\n")
    with job.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", "text"])
        writer.writerows((f"row-{number:04d}", text) for number, text in enumerate(rest, start=1))
        writer.writerows((f"empty-{number}", "") for number in range(1, EMPTY_ROWS + 1))
    return DemoFiles(reviews, len(first), job, len(rest) + EMPTY_ROWS)


def _request(number: int, text: str) -> dict[str, str]:
    request = {"id": f"demo-{number + 1:04d}", "text": text}
    model = MODELS[number % len(MODELS)]
    return request | {"model": model} if model else request
