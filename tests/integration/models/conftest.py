"""Fitted pipelines, and the means to tamper with their files."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.pipeline import Pipeline

from schemas.names import MODEL_NAMES
from training.clean import Example
from training.fit import fit

ROWS = [Example(f"good fine nice number{i % 3}", "1") for i in range(10)] + [
    Example(f"bad awful poor number{i % 3}", "0") for i in range(10)
]
TEXTS = [row.text for row in ROWS]
LABELS = [row.label for row in ROWS]


@pytest.fixture(scope="session")
def fitted() -> dict[str, Pipeline]:
    """One pipeline of each classifier; tests that change one copy it."""
    return {name: fit(name, ROWS, seed=0) for name in MODEL_NAMES}


def rewritten(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Return the archive with its JSON changed."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                schema = json.loads(content)
                change(schema)
                content = json.dumps(schema).encode()
            made.writestr(name, content)
    return target.getvalue()


def places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:  # noqa: ANN401 - any JSON value
    """Return every (container, key) of the JSON."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        found.append((node, key))
        if isinstance(value, dict | list):
            places(value, found)
    return found
