"""Joining any number of objects with a call that takes 32 at most."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from cloud.objects import CloudSetupError, ObjectInfo, Objects, PreconditionFailed, TransientError
from cloud.once import expect_same, joined_digest

T = TypeVar("T")

MAX_SOURCES = 32
"""https://cloud.google.com/storage/quotas#objects"""

TEMPORARY_PREFIX = "tmp/compose/"
"""Where the joined pieces of a large compose are while it runs. What is left there, by a killed process or by one that
may not delete, may be deleted at any time after a day: give the bucket a lifecycle rule for this prefix."""

ComposeOnce = Callable[[Sequence[str], str, str], ObjectInfo]
"""(at most 32 sources, target, content type) → the target, which must not have existed; raises PreconditionFailed."""


def compose_tree(
    objects: Objects, compose_once: ComposeOnce, sources: list[str], target: str, *, content_type: str
) -> ObjectInfo:
    """Join the sources into the target, as `Objects.compose`.

    The tree depends on the number of sources only. Its inner nodes have names that no other process uses, so that
    two workers that join the same objects do not delete each other's. They are deleted where that is possible; where it
    is not, the target is as good, and the error of a join that failed is still the one that is raised.
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
        _tidy(objects, made)


def groups(names: Sequence[T]) -> list[Sequence[T]]:
    """Return the names in groups of 32, the last one smaller."""
    return [names[start : start + MAX_SOURCES] for start in range(0, len(names), MAX_SOURCES)]


def _tidy(objects: Objects, names: Sequence[str]) -> None:
    """Delete what nobody reads any more, up to the first failure: what is left is the lifecycle rule's.

    Workers may create and not delete, so a failure is no news; what hinders one deletion hinders all the others, and
    a storage that does not answer would be waited for once for each name.
    """
    with suppress(TransientError, CloudSetupError):
        for name in names:
            objects.delete(name)


def _compose_temporary(compose_once: ComposeOnce, group: Sequence[str], name: str) -> None:
    try:
        compose_once(group, name, "application/octet-stream")
    except PreconditionFailed:
        # Nobody else knows this name: an earlier try of this very call made it, and its answer was lost.
        return
