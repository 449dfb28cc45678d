"""Partial responses: `fields` names what of a JSON resource a client wants.

Syntax: https://cloud.google.com/storage/docs/json_api#partial-response. A field that a resource lacks gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from emulator.storage.errors import bad_request

_Path: TypeAlias = tuple[str, ...]
"""Names from the outermost field on; `*` stands for every name."""

_PIECE = re.compile(r"[^,/()]+|[,/()]")
_MARKS = frozenset(",/()")
_MAX_NAMES = 20
_MAX_PATHS = 100


class Fields:
    """What a request wants of the resource that answers it: everything without a query."""

    def __init__(self, query: Mapping[str, str]) -> None:
        """Read the `fields` of a query. Raises StorageError 400 where it cannot be read."""
        text = query.get("fields")
        self._paths: Sequence[_Path] = _paths(text) if text else [()]

    def wants(self, *path: str) -> bool:
        """Say whether the field at this path, or something in it, is wanted."""
        return any(all(wanted in {name, "*"} for wanted, name in zip(one, path, strict=False)) for one in self._paths)

    def of(self, resource: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a JSON value
        """Return what is wanted of a resource."""
        return _picked(self._paths, resource)


def _picked(paths: Sequence[_Path], value: Any) -> Any:  # noqa: ANN401 - a JSON value
    if () in paths:
        return value
    if isinstance(value, list):
        return [_picked(paths, item) for item in value]
    inside = {name: [path[1:] for path in paths if path[0] in {name, "*"}] for name in value}
    return {
        name: _picked(inner, value[name])
        for name, inner in inside.items()
        if () in inner or (inner and isinstance(value[name], list | Mapping))
    }


def _paths(text: str) -> list[_Path]:
    """Return what `a,b/c,d(e,f)` names: a, b/c, d/e, d/f. Raises StorageError 400."""
    error = bad_request(f"Invalid field selection {text}")  # raised below where it is one
    paths: list[_Path] = []
    around: list[_Path] = [()]
    path: _Path = ()
    name_is_next = True
    for piece in [*_PIECE.findall(text), ","]:
        if name_is_next:
            if piece in _MARKS or len(path) == _MAX_NAMES:
                raise error
            path, name_is_next = (*path, piece), False
        elif piece in {"/", "("} and path:
            around += [path] if piece == "(" else []
            name_is_next = True
        elif piece == "," or (piece == ")" and len(around) > 1):
            paths += [path] if path else []
            if piece == ",":
                path, name_is_next = around[-1], True
            else:  # nothing but a comma or another parenthesis can follow
                path, around = (), around[:-1]
        else:
            raise error
    if len(around) > 1 or len(paths) > _MAX_PATHS:
        raise error
    return paths
