"""Listing a bucket: prefix, delimiter, offsets, glob and pages over names in order.

Rules: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emulator.storage.errors import bad_request
from emulator.storage.preconditions import optional_number
from emulator.storage.records import ObjectRecord

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class ListingQuery:
    """What one list request asks; the page before ended with the name, or the whole group of names, `after`."""

    prefix: str = ""
    delimiter: str = ""
    start: str = ""
    end: str | None = None
    glob: re.Pattern[str] | None = None
    trailing_delimiter: bool = False
    limit: int = MAX_PAGE
    after: str | None = None
    after_group: bool = False

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> ListingQuery:
        """Read the query of a request; StorageError 400 for a page size or token that is none."""
        glob = query.get("matchGlob")
        after, after_group = decode_token(query.get("pageToken"))
        return cls(
            prefix=query.get("prefix", ""),
            delimiter=query.get("delimiter", ""),
            start=query.get("startOffset", ""),
            end=query.get("endOffset") or None,
            glob=glob_pattern(glob) if glob else None,
            trailing_delimiter=query.get("includeTrailingDelimiter", "").lower() == "true",
            limit=page_size(query),
            after=after,
            after_group=after_group,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page: records and prefixes, together at most the limit, and the token of the next page if there is one."""

    records: tuple[ObjectRecord, ...]
    prefixes: tuple[str, ...]
    next_token: str | None


def page_of(names: Sequence[str], records: Mapping[str, ObjectRecord], query: ListingQuery) -> Page:
    """Build a page from sorted `names`; the work grows with the page and not with what its prefixes hide."""
    found: list[ObjectRecord] = []
    prefixes: list[str] = []
    position = _first(names, query)
    token = ""
    while position < len(names):
        name = names[position]
        if not name.startswith(query.prefix) or (query.end is not None and name >= query.end):
            break
        position += 1
        if query.glob is not None and query.glob.fullmatch(name) is None:
            continue
        if len(found) + len(prefixes) >= query.limit:
            return Page(tuple(found), tuple(prefixes), token)
        group = _group(name, query)
        token = encode_token(group or name, is_group=group is not None)
        if group is None:
            found.append(records[name])
            continue
        prefixes.append(group)
        if query.trailing_delimiter and name == group:
            found.append(records[name])
        position = _past(names, group)
    return Page(tuple(found), tuple(prefixes), None)


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate Cloud Storage's glob: `*` and `?` stop at a slash, `**` does not, `[…]` and `{a,b}` choose.

    Raises StorageError 400 when the glob is malformed.
    """
    parts: list[str] = []
    depth = 0
    for piece in re.findall(r"\*\*|\[[!^]?[^\]]+\]|\\.|.", glob, re.DOTALL):
        if piece == "}" and depth:
            depth -= 1
            parts.append(")")
            continue
        parts.append("|" if piece == "," and depth else _glob_piece(piece))
        depth += piece == "{"
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise bad_request(f"Invalid matchGlob {glob!r}: {error}") from error


def page_size(query: Mapping[str, str]) -> int:
    """Return `maxResults`, at most MAX_PAGE; 0 or absence means MAX_PAGE."""
    return min(optional_number(query, "maxResults") or MAX_PAGE, MAX_PAGE)


def encode_token(last: str, *, is_group: bool = False) -> str:
    """Return the opaque token of the page after the name, or after the whole group of names, `last`."""
    return base64.urlsafe_b64encode((("g" if is_group else "n") + last).encode("utf-8")).decode("ascii")


def decode_token(token: str | None) -> tuple[str | None, bool]:
    """Return what a token stands for and whether it is a group; StorageError 400 when the server did not make it."""
    if not token:
        return None, False
    try:
        text = base64.urlsafe_b64decode(token).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise bad_request("Invalid pageToken.") from error
    if text[:1] not in {"g", "n"}:
        raise bad_request("Invalid pageToken.")
    return text[1:], text[0] == "g"


def _first(names: Sequence[str], query: ListingQuery) -> int:
    """Return the position where the page begins."""
    position = bisect_left(names, max(query.prefix, query.start))
    if query.after is None:
        return position
    after = _past(names, query.after) if query.after_group else bisect_right(names, query.after)
    return max(position, after)


def _group(name: str, query: ListingQuery) -> str | None:
    """Return the prefix up to and with the first delimiter after the query's prefix, if there is one."""
    if not query.delimiter:
        return None
    at = name.find(query.delimiter, len(query.prefix))
    return None if at < 0 else name[: at + len(query.delimiter)]


def _past(names: Sequence[str], prefix: str) -> int:
    """Return the position after every name that starts with `prefix`."""
    return bisect_right(names, prefix, key=lambda name: name[: len(prefix)])


_GLOB = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:"}


def _glob_piece(piece: str) -> str:
    if piece in _GLOB:
        return _GLOB[piece]
    if len(piece) > 1 and piece.startswith("["):
        # These mean something inside a set of Python's and nothing inside one of a glob.
        characters = re.sub(r"([\\\[&~|])", r"\\\1", piece[1:-1])
        return f"[{re.sub('^!', '^', characters)}]"
    return re.escape(piece[-1])
