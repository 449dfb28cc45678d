"""What a file cannot tell of its object: checksum, content type, metadata; kept in a JSON file beside it."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The generation before the last stays, for readers that have its file open while it is replaced.
_KEPT_GENERATIONS = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one generation."""

    crc32c: str
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)


class FactsFile:
    """The facts of one object. Changed under the folder's lock only, and by renaming, so readers need none."""

    def __init__(self, path: Path, name: str | None = None) -> None:
        self._path = path
        self._name = name

    def name(self) -> str | None:
        """Return the object's name, None when there are no facts."""
        name = self._content().get("name")
        return name if isinstance(name, str) else None

    def of(self, generation: int) -> Facts | None:
        """Return the facts of one generation, None when they are not known (a person wrote that file)."""
        found = self._content().get("generations", {}).get(str(generation))
        return None if found is None else Facts(**found)

    def add(self, generation: int, facts: Facts) -> None:
        """Add the facts of a new generation."""
        known = self._content().get("generations", {})
        kept = dict(sorted(known.items(), key=lambda item: int(item[0]))[1 - _KEPT_GENERATIONS :])
        content = {"name": self._name, "generations": {**kept, str(generation): asdict(facts)}}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(uuid.uuid4().hex)
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(self._path)

    def remove(self) -> None:
        """Forget the object."""
        self._path.unlink(missing_ok=True)

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}
