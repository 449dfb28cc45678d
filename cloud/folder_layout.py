"""Where a folder keeps its objects: names as paths as far as that is possible, everything else under `.reviewmill`."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

PRIVATE = ".reviewmill"
"""The folder inside the folder that holds what is not an object's bytes, and objects whose names are no paths."""

_MAX_SEGMENT_BYTES = 200


class Layout:
    """Object names → paths below one root. Reads the folder's structure and changes nothing; safe in many threads.

    An object's bytes are at the path that its name spells. Names that no path can spell (`../x`, `a//b`, a segment
    above 200 bytes), or whose path is taken by a folder or lies below a file (`a` beside `a/b`), are stored as
    `.reviewmill/names/<SHA-256 of the name>`. No name leads outside the root: symbolic links are not followed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.private = self.root / PRIVATE

    def candidates(self, name: str) -> list[Path]:
        """Return where an object of that name can be, the path that a person would look at first."""
        readable = self._readable(name)
        return ([] if readable is None else [readable]) + [self._hidden(name)]

    def new_path(self, name: str) -> Path:
        """Return where a new object of that name goes; the lock must be held."""
        readable = self._readable(name)
        if readable is None or readable.is_dir() or any(parent.is_file() for parent in self._parents(readable)):
            return self._hidden(name)
        return readable

    def facts_path_of(self, name: str) -> Path:
        """Return the file of what an object's own file cannot tell."""
        return self.facts_path(digest(name))

    def facts_path(self, digest_of_name: str) -> Path:
        """Return the same, for the digest of a name."""
        return self.private / "facts" / f"{digest_of_name}.json"

    def readable_names(self) -> Iterator[str]:
        """Yield the names of the objects at readable paths, in no order."""
        for folder, folders, files in os.walk(self.root):
            if Path(folder) == self.root and PRIVATE in folders:
                folders.remove(PRIVATE)
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self.root).as_posix()
                if self._readable(name) is not None and _is_file(path):
                    yield name

    def hidden_paths(self) -> Iterator[Path]:
        """Yield the paths of the objects whose names are no paths, in no order; each is called like a digest."""
        folder = self.private / "names"
        if folder.is_dir():
            yield from folder.iterdir()

    def _hidden(self, name: str) -> Path:
        return self.private / "names" / digest(name)

    def _readable(self, name: str) -> Path | None:
        """Return the path that the name spells, None where it spells none or one with a symbolic link in it."""
        segments = name.split("/")
        if segments[0].lower() == PRIVATE or not all(_is_plain(segment) for segment in segments):
            return None
        path = self.root.joinpath(*segments)
        linked = any(step.is_symlink() for step in (path, *self._parents(path)))
        return None if linked else path

    def _parents(self, path: Path) -> list[Path]:
        """Return the folders between the root and the path, both excluded."""
        return list(path.parents)[: len(path.relative_to(self.root).parts) - 1]


def _is_file(path: Path) -> bool:
    """Tell whether a path is a file and no link; False for one that was deleted since its folder was read."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def digest(name: str) -> str:
    """Return the SHA-256 of a name in hex."""
    return hashlib.sha256(name.encode()).hexdigest()


def _is_plain(segment: str) -> bool:
    """Tell whether a segment of a name can be one of a path, the same on every system as far as that is possible."""
    return (
        segment not in {"", ".", ".."}
        and segment.isprintable()
        and not set(segment) & set('\\:*?"<>|')
        and not segment.endswith((".", " "))
        and len(segment.encode()) <= _MAX_SEGMENT_BYTES
    )
