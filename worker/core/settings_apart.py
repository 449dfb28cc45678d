"""Which settings must not name the same thing, and what would follow. Pure; what resolves paths is passed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

_GS = "gs://"

_APART = (
    (
        "REVIEWMILL_DEAD_LETTER_TOPIC",
        "REVIEWMILL_REVIEWS_TOPIC",
        "each dead letter would come back as a request, without end",
    ),
    (
        "REVIEWMILL_DEAD_LETTER_TOPIC",
        "REVIEWMILL_UPLOADS_TOPIC",
        "each dead letter would come back as a notification, without end",
    ),
    ("REVIEWMILL_COMPLETIONS_TOPIC", "REVIEWMILL_REVIEWS_TOPIC", "each completion would be taken for a request"),
    ("REVIEWMILL_COMPLETIONS_TOPIC", "REVIEWMILL_UPLOADS_TOPIC", "each completion would be taken for a notification"),
    ("REVIEWMILL_COMPLETIONS_TOPIC", "REVIEWMILL_DEAD_LETTER_TOPIC", "each completion would pass for a dead letter"),
    (
        "REVIEWMILL_REVIEWS_SUBSCRIPTION",
        "REVIEWMILL_UPLOADS_SUBSCRIPTION",
        "one topic would be pulled twice and the other never",
    ),
)
"""Pairs of settings, and what would follow if both had the same value."""


def name_faults(values: Mapping[str, str]) -> list[str]:
    """Return a sentence for each pair of topics or subscriptions that must differ and do not: variable → name."""
    return [
        f"{one} and {other} are both {values[one]!r}: {consequence}. Give one of them another name."
        for one, other, consequence in _APART
        if values[one] == values[other]
    ]


def place_faults(places: Mapping[str, str], resolve: Callable[[str], str]) -> list[str]:
    """Return a sentence for each place that is part of a bucket, and for each two that are not apart.

    `places` are variable → `gs://bucket` or a folder's path; `resolve` gives a path's absolute form without links.
    """
    inside_buckets = [
        f"{variable}={place!r} names something inside a bucket. Give the bucket alone: {_bucket(place)}."
        for variable, place in places.items()
        if place.startswith(_GS) and place.removeprefix(_bucket(place)).strip("/")
    ]
    where = {name: _bucket(place) if place.startswith(_GS) else resolve(place) for name, place in places.items()}
    overlaps = [
        f"{one}={places[one]!r} {how} {other}={places[other]!r}: what is written to one would be read from the other, "
        "such as results that are scored as uploads. Give each a place of its own, outside of the others."
        for pair in combinations(places, 2)
        for one, how, other in _overlap(*pair, where)
    ]
    return inside_buckets + overlaps


def _bucket(place: str) -> str:
    """Return `gs://bucket` of a place that begins so."""
    return _GS + place.removeprefix(_GS).partition("/")[0]


def _overlap(one: str, other: str, where: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield how two settings stand to each other, where they are not apart."""
    if where[one] == where[other]:
        yield one, "is the same place as", other
    elif _holds(where[other], where[one]):
        yield one, "is a folder inside of", other
    elif _holds(where[one], where[other]):
        yield other, "is a folder inside of", one


def _holds(folder: str, place: str) -> bool:
    return place.startswith(folder.rstrip("/") + "/")
