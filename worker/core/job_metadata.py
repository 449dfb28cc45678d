"""The metadata of an uploaded object: which of its keys are ours, however they are spelt."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from schemas.errors import InvalidInput

KEYS = (
    *("model", "version", "model-column", "text-column", "id-column", "delimiter", "quote", "header", "encoding"),
    *("format", "max-rejections", "output", "columns", "formulas"),
)

_LEAST_CHARS = 6
"""Shorter foreign keys, such as `mode`, are like one of ours by chance."""

_LIKE = 0.85
_BARE = {key.replace("-", ""): key for key in KEYS}


def asked_options(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return what the metadata asks for, by our keys; `text_column` and `Text-Column` are `text-column`.

    Foreign keys are left out: tools add their own. Raises InvalidInput("invalid_metadata") for a key that is clearly
    meant as one of ours, and for one that is there in two spellings with two values.
    """
    asked: dict[str, str] = {}
    for key, value in metadata.items():
        known = key.lower().replace("_", "-")
        if known not in KEYS:
            _refuse_misspelt(key)
            continue
        if asked.setdefault(known, value) != value:
            raise InvalidInput(
                "invalid_metadata",
                f"The metadata has '{known}' in two spellings, and two values. Upload the file again with one of them.",
            )
    return asked


def _refuse_misspelt(key: str) -> None:
    bare = key.lower().replace("_", "").replace("-", "")
    meant = get_close_matches(bare, _BARE, n=1, cutoff=_LIKE) if len(bare) >= _LEAST_CHARS else []
    if meant:
        raise InvalidInput(
            "invalid_metadata",
            f"The metadata's key '{key[:40]}' is not known; '{_BARE[meant[0]]}' is. Upload the file again with the key "
            "spelt so, or without it.",
        )
