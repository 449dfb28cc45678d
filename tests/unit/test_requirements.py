"""The hashed requirement files: what is asked for with extras is pinned with them.

pip takes `name[extra]` for a package of its own. Where only `name` is pinned, it looks for the newest `name[extra]`,
and refuses it for want of a hash as soon as there is one that is newer than the pin.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FILES = sorted((Path(__file__).parents[2] / "requirements").glob("*.txt"))


def pins(path: Path) -> dict[str, set[str]]:
    """Return the pinned packages and the extras that they are pinned with."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if re.match(r"[A-Za-z0-9]", line):
            pin = Requirement(line.rstrip(" \\"))
            found.setdefault(canonicalize_name(pin.name), set()).update(pin.extras)
    return found


def asked(name: str, extras: set[str]) -> list[Requirement]:
    """Return what an installed package asks for here, with some of its extras."""
    found = [Requirement(line) for line in requires(name) or []]
    return [
        one
        for one in found
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in (*extras, ""))
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_extras_that_packages_ask_for_are_pinned(path: Path) -> None:
    pinned = pins(path)
    assert len(pinned) > 10
    missing = []
    for name, extras in pinned.items():
        try:
            wanted = asked(name, extras)
        except PackageNotFoundError:  # for another version of Python, or another system
            continue
        missing += [
            f"{name} asks for {one}"
            for one in wanted
            if not one.extras <= pinned.get(canonicalize_name(one.name), set())
        ]
    assert not missing
