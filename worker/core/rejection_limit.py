"""How many rows of a job may be rejected: as people write it, and when a job exceeds it.

A share is judged once, at the file's end: rows in another order are the same rows. Before that it stops a job only
where the rest of the file cannot save it, were its rows as long as those so far and all of them good.
"""

from __future__ import annotations

import re

_SHARE = re.compile(r"0?\.[0-9]+|0\.0*")
_PER_CENT = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")
_COUNT = re.compile(r"[0-9]{1,15}")
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*")


def rejection_limit(text: str) -> float | None:
    """Read a limit: a share below 1, a count from 1 on, 0 where no row may be rejected, None where all may.

    Raises ValueError, which says what the text must be, for what is no limit, and for what could be either: 1.0 may be
    one row, or all of them.
    """
    text = text.strip()
    if match := _PER_CENT.fullmatch(text):
        per_cent = float(match[1])
        if per_cent <= 100:  # noqa: PLR2004 - all of them
            return None if per_cent == 100 else per_cent / 100  # noqa: PLR2004
    elif _COUNT.fullmatch(text) or _SHARE.fullmatch(text):
        return float(text)
    elif _NUMBER.fullmatch(text):
        raise ValueError(
            "may be meant as a share or as a count: write a whole number of rows, such as 1, or a share with a percent "
            "sign, such as 100%"
        )
    raise ValueError("must be a share of the rows, such as 0.05, 5% or 100%, or a number of rows, such as 0 or 500")


def exceeds(limit: float | None, *, rejections: int, rows: int, read: float) -> bool:
    """Say whether a job must stop. `read` is the share of the file that was read: 1 at its end, 0 where not known."""
    if limit is None:
        return False
    if limit == 0 or limit >= 1:
        return rejections > limit
    return rejections * read > limit * rows
