"""An exception as text that may be logged.

Its own message may not: a library's message can repeat the input that it failed on, and that can be a review.
"""

from __future__ import annotations

import traceback


def describe_exception(error: BaseException) -> str:
    """Return what may be logged of an exception: frames and type, after those of its causes; no message."""
    lines: list[str] = []
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        name = f"{type(link).__module__}.{type(link).__qualname__}".removeprefix("builtins.")
        lines.insert(0, "".join([*traceback.format_tb(link.__traceback__), name]))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\nthen:\n".join(lines)
