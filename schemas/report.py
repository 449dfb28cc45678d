"""What a part of a CSV job says for the job's report: sums and extremes that add up, whoever worked on the parts."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0)]
Measure = Literal["probability", "margin", "none"]
"""How sure a classifier is: the probability of the predicted label; where it gives none, the distance between the
decision values of the predicted label and of the next; or neither."""


class RowExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One scored row that the report shows."""

    row: Annotated[int, msgspec.Meta(ge=1)]
    label: str
    confidence: float
    id: str | None = None
    excerpt: str | None = None
    """The beginning of the text; none where the job's predictions leave the text out."""


class RejectedExample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one rejected row is."""

    row: Annotated[int, msgspec.Meta(ge=1)]
    line: Annotated[int, msgspec.Meta(ge=1)]


class PartReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sums and extremes of one part."""

    measure: Measure = "none"
    histogram: list[Count] = []
    """Predictions by probability, in bins of equal width over 0..1; empty where there are no probabilities."""
    deciles: list[Count] = []
    """Predictions by probability, in the bins of the model's profile; empty without a profile or probabilities."""
    sampled: Count = 0
    """How many rows the sampled rows stand for: each counts for the rows between two samples."""
    words: Count = 0
    """Words in those rows."""
    most: list[RowExample] = []
    """The rows that the classifier is surest of, the surest first; of equals the first row."""
    least: list[RowExample] = []
    terms: dict[str, dict[str, int]] = {}
    """By label: what terms added to the label's decision value over the sampled rows, in millionths."""
    rejected: dict[str, list[RejectedExample]] = {}
    """By code: the first rows."""
    reasons: dict[str, str] = {}
    """By code: the sentence of the first row."""
