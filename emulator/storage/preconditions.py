"""Generation, metageneration and ETag preconditions, as values that are checked against one object.

Rules: https://cloud.google.com/storage/docs/request-preconditions
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.storage.errors import bad_request, not_modified, precondition_failed


@dataclass(frozen=True, slots=True)
class Version:
    """What preconditions are compared with: the numbers and the ETag of a stored object or bucket."""

    generation: int
    metageneration: int
    etag: str


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The conditions of one request on one object; None means "not asked".

    `generation_match=0` asks that no object of that name exists.
    """

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None
    etags_match: tuple[str, ...] = ()
    etags_not_match: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: Mapping[str, object], prefix: str = "if") -> Preconditions:
        """Read `ifGenerationMatch` and the other three from a query or a JSON object.

        `prefix` is `ifSource` for the source of a copy. Raises StorageError 400 for a value that is no number,
        and for a condition that is not known: to ignore it would be worse.
        """
        for key in query:
            if key.startswith("if") and key not in _KNOWN:
                raise bad_request(f"Unknown precondition {key}; known are {', '.join(sorted(_KNOWN))}.")
        return cls(
            generation_match=optional_number(query, f"{prefix}GenerationMatch"),
            generation_not_match=optional_number(query, f"{prefix}GenerationNotMatch"),
            metageneration_match=optional_number(query, f"{prefix}MetagenerationMatch"),
            metageneration_not_match=optional_number(query, f"{prefix}MetagenerationNotMatch"),
        )

    @classmethod
    def for_reading(cls, query: Mapping[str, object], headers: Mapping[str, str]) -> Preconditions:
        """Read the conditions of a GET, which may also name ETags in its headers."""
        asked = cls.from_query(query)
        return cls(
            asked.generation_match,
            asked.generation_not_match,
            asked.metageneration_match,
            asked.metageneration_not_match,
            _etags(headers.get("If-Match")),
            _etags(headers.get("If-None-Match")),
        )

    def check_read(self, version: Version) -> None:
        """Raise StorageError 412 or 304 unless `version` may be read."""
        if not self._matches(version):
            raise precondition_failed()
        if self._excluded(version):
            raise not_modified()

    def check_write(self, version: Version | None) -> None:
        """Raise StorageError 412 unless what is stored (None: nothing) may be replaced, changed or removed."""
        if version is None:
            demands_existence = bool(self.generation_match) or self.metageneration_match is not None
            if demands_existence or self.generation_not_match == 0 or self.etags_match:
                raise precondition_failed()
            return
        if not self._matches(version) or self._excluded(version):
            raise precondition_failed()

    def _matches(self, version: Version) -> bool:
        return (
            self.generation_match in {None, version.generation}
            and self.metageneration_match in {None, version.metageneration}
            and (not self.etags_match or version.etag in self.etags_match or "*" in self.etags_match)
        )

    def _excluded(self, version: Version) -> bool:
        return (
            self.generation_not_match == version.generation
            or self.metageneration_not_match == version.metageneration
            or version.etag in self.etags_not_match
            or "*" in self.etags_not_match
        )


ALWAYS = Preconditions()

_KNOWN = frozenset(
    f"if{source}{number}{match}"
    for source in ("", "Source")
    for number in ("Generation", "Metageneration")
    for match in ("Match", "NotMatch")
)


def optional_number(query: Mapping[str, object], key: str) -> int | None:
    """Return the whole number under `key`, or None when it is absent or null; StorageError 400 for anything else."""
    value = query.get(key)
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise bad_request(f"Invalid value {text!r} for {key}: a whole number of 0 or more is needed.")
    return int(text)


def _etags(header: str | None) -> tuple[str, ...]:
    """Split an `If-Match` header into ETags without quotes and weakness marks."""
    if header is None:
        return ()
    return tuple(tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
