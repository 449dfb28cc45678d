"""Joining any number of objects with a call that takes 32 at most."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

from cloud.objects import ObjectInfo, Objects, PreconditionFailed
from cloud.once import expect_same, joined_digest

T = TypeVar("T")

MAX_SOURCES = 32
"""https://cloud.google.com/storage/quotas#objects"""

TEMPORARY_PREFIX = "tmp/compose/"
"""Where the joined pieces of a large compose are while it runs. What a killed process leaves there may be deleted at
any time after a day: give the bucket a lifecycle rule for this prefix."""

ComposeOnce = Callable[[Sequence[str], str, str], ObjectInfo]
"""(at most 32 sources, target, content type) → the target, which must not have existed; raises PreconditionFailed."""


def compose_tree(
    objects: Objects, compose_once: ComposeOnce, sources: list[str], target: str, *, content_type: str
) -> ObjectInfo:
    """Join the sources into the target, as `Objects.compose`.

    The tree depends on the number of sources only. Its inner nodes have names that no other process uses, so that
    two workers that join the same objects do not delete each other's.
    """
    if not sources:
        raise ValueError(f"nothing to join into {target!r}: compose needs at least one source")
    folder = f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}/"
    level, depth, made = list(sources), 0, list[str]()
    try:
        while len(level) > MAX_SOURCES:
            joined = [f"{folder}{depth}-{number:06d}" for number in range(len(groups(level)))]
            for name, group in zip(joined, groups(level), strict=True):
                made.append(name)
                _compose_temporary(compose_once, group, name)
            level, depth = joined, depth + 1
        try:
            return compose_once(level, target, content_type)
        except PreconditionFailed:
            size, checksum = joined_digest([objects.info(source) for source in sources])
            return expect_same(objects, target, size=size, crc32c=checksum)
    finally:
        for name in made:
            objects.delete(name)


def groups(names: Sequence[T]) -> list[Sequence[T]]:
    """Return the names in groups of 32, the last one smaller."""
    return [names[start : start + MAX_SOURCES] for start in range(0, len(names), MAX_SOURCES)]


def _compose_temporary(compose_once: ComposeOnce, group: Sequence[str], name: str) -> None:
    try:
        compose_once(group, name, "application/octet-stream")
    except PreconditionFailed:
        # Nobody else knows this name: an earlier try of this very call made it, and its answer was lost.
        return
