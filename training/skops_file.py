"""`model.skops`: the fitted pipeline in the skops format, as the same bytes for the same pipeline."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import skops.io
from sklearn.pipeline import Pipeline

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip member can carry."""


def dump(pipeline: Pipeline) -> bytes:
    """Return the pipeline as deflated skops bytes that depend on its content alone.

    skops names each object and array by its address in memory, stamps each member with the time, and indents 16 MB of
    JSON for 25,000 features. Here only types keep a number, so that they are loaded once; arrays are numbered in order
    of appearance, times are fixed, and the JSON is compact. So equal training gives an equal digest.
    """
    # An address that spares the vectoriser a check of its stop words, and that it finds anew by itself.
    vars(pipeline[0]).pop("_stop_words_id", None)
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as raw:
        canonical = _Canonical(raw)
        schema = canonical.node(json.loads(raw.read("schema.json")))
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for number, content in enumerate(canonical.arrays):
            _add(archive, f"{number}.npy", content)
        _add(archive, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
    return target.getvalue()


class _Canonical:
    """Rewrites the JSON of a skops archive without addresses, and collects the arrays that it refers to."""

    def __init__(self, raw: zipfile.ZipFile) -> None:
        self.arrays: list[bytes] = []
        self._raw = raw
        self._types: dict[tuple[str, str], int] = {}

    def node(self, node: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a node of the JSON and all below it, rewritten."""
        if isinstance(node, list):
            return [self.node(item) for item in node]
        if not isinstance(node, dict):
            return node
        if not isinstance(node.get("__class__"), str):  # the content of a dict: its keys are the model's, not skops'
            return {key: self.node(item) for key, item in node.items()}
        result = {key: self.node(item) for key, item in node.items() if key != "__id__"}
        if node["__loader__"] == "TypeNode":
            name = (node["__module__"], node["__class__"])
            result["__id__"] = self._types.setdefault(name, len(self._types) + 1)
        if "file" in node:
            result["file"] = f"{len(self.arrays)}.npy"
            self.arrays.append(self._raw.read(node["file"]))
        return result


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)
