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

    skops names each object by its address in memory, stamps each member with the time, and indents 16 MB of JSON for
    25,000 features. Here objects are numbered in the order in which they appear, times are fixed, and the JSON is
    compact, so equal training gives an equal digest.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipeline))) as raw:
        members = {name: raw.read(name) for name in raw.namelist()}
    numbers: dict[int, int] = {}
    schema = _renumber(json.loads(members["schema.json"]), numbers)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(members.keys() - {"schema.json"}, key=lambda name: numbers[_address(name)]):
            _add(archive, _member(name, numbers), members[name])
        _add(archive, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
    return target.getvalue()


def _renumber(node: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401 - any JSON value
    """Replace addresses by numbers from 1 on, in objects' `__id__` and in the names of their files."""
    if isinstance(node, list):
        return [_renumber(item, numbers) for item in node]
    if not isinstance(node, dict):
        return node
    if not isinstance(node.get("__class__"), str):  # the content of a dict: its keys are the model's, not skops'
        return {key: _renumber(item, numbers) for key, item in node.items()}
    result = {key: _renumber(item, numbers) for key, item in node.items() if key not in {"__id__", "file"}}
    if "__id__" in node:
        result["__id__"] = numbers.setdefault(node["__id__"], len(numbers) + 1)
    if "file" in node:
        numbers.setdefault(_address(node["file"]), len(numbers) + 1)
        result["file"] = _member(node["file"], numbers)
    return result


def _address(member: str) -> int:
    return int(member.partition(".")[0])


def _member(name: str, numbers: dict[int, int]) -> str:
    return f"{numbers[_address(name)]}.{name.partition('.')[2]}"


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, data)
