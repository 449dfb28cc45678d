"""What can go wrong between data and a current model, apart from what the data or the bucket is to blame for."""

from __future__ import annotations


class ParityError(Exception):
    """The compiled model disagrees with scikit-learn; nothing was exported."""


class AliasMoved(Exception):  # noqa: N818 - a fact, which the caller reports
    """Another process moved the alias between our reading and writing it."""
