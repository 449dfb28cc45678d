"""Single rows in the report, and the words that counted in them."""

from __future__ import annotations

import msgspec

from schemas.report import RowExample
from worker.core.report_page import foreign, meter, section, table, text
from worker.core.report_part import SAMPLE_EACH
from worker.core.report_summary import JobSummary

_LABELS_EXPLAINED = 6
_TERMS_SHOWN = 15
_TWO = 2
_TREE = "decision_tree"


def examples_section(job: JobSummary) -> str:
    """Return the rows at both ends of confidence, no row twice: few rows are one list."""
    totals = job.totals
    if not totals.most:
        return ""
    least = {one.row for one in totals.least}
    most = [one for one in totals.most if one.row not in least]
    if most:
        title = "Rows the classifier is most and least sure of"
        tables = [
            "<h3>Least sure</h3>",
            _example_table(totals.least, totals.measure),
            "<h3>Most sure</h3>",
            _example_table(most, totals.measure),
        ]
    else:
        title = "Rows, the least sure first"
        tables = [_example_table(totals.least, totals.measure)]
    return section(
        title,
        *tables,
        "<p class='note'>Beginnings of texts are shown because predictions in the same folder repeat the text column. "
        "Upload with columns=none to keep texts out of both.</p>"
        if any(one.excerpt for one in totals.most)
        else "",
    )


def _example_table(examples: list[RowExample], measure: str) -> str:
    with_id, with_text = any(one.id for one in examples), any(one.excerpt for one in examples)
    head = ["row", *(["id"] if with_id else []), "label", measure, *(["text"] if with_text else [])]
    rows = [
        [
            f"{one.row:,}",
            *([foreign(one.id or "")] if with_id else []),
            foreign(one.label),
            f"{one.confidence:.4f}",
            *([foreign(one.excerpt or "")] if with_text else []),
        ]
        for one in examples
    ]
    classes = ["number", *(["any"] if with_id else []), "any", "number", *(["any"] if with_text else [])]
    return table(head, rows, classes)


def terms_section(job: JobSummary) -> str:
    """Return the words that counted, or why there are none."""
    totals = job.totals
    labels = sorted(totals.terms, key=lambda label: (-job.labels.get(label, 0), label))
    if not labels:
        return _no_terms(job)
    pieces = []
    for label in labels[:_LABELS_EXPLAINED]:
        ranked = sorted(totals.terms[label].items(), key=lambda item: (-item[1], item[0]))
        pieces.append(_term_list(f"Towards {label}", [item for item in ranked if item[1] > 0], totals.sampled))
        if len(labels) > _TWO:
            pieces.append(
                _term_list(f"Away from {label}", [item for item in ranked[::-1] if item[1] < 0], totals.sampled)
            )
    return section(
        "Words that counted most",
        '<div class="two">' + "".join(pieces) + "</div>",
        "<p class='note'>What each term added to the label's decision value (term weight times coefficient), for 1,000 "
        f"rows, over a sample: all of the first {2 * SAMPLE_EACH} rows, every second up to row {4 * SAMPLE_EACH}, "
        f"every fourth up to {8 * SAMPLE_EACH:,} and so on. Of each part, the 60 strongest terms each way are kept."
        "</p>",
    )


def _no_terms(job: JobSummary) -> str:
    # Where rows name models, the report says so under `Models`.
    if not job.counts.predictions or job.spec.row_models is not msgspec.UNSET:
        return ""
    why = "This model gives terms no coefficients that can be added up, or it has more labels than can be shown."
    if job.spec.model == _TREE:
        why = (
            "A decision tree has none to show: it asks for one term after another, and gives no term a coefficient. "
            "The linear classifiers have them."
        )
    return section("Words that counted most", f"<p class='note'>{why}</p>")


def _term_list(title: str, terms: list[tuple[str, int]], sampled: int) -> str:
    if not terms:
        return ""
    shown = terms[:_TERMS_SHOWN]
    most = max(abs(value) for _, value in shown)
    rows = [[foreign(term), f"{value / 1000 / sampled:+,.2f}", meter(abs(value) / most)] for term, value in shown]
    return f"<div><h3>{text(title)}</h3>" + table(["term", "added", ""], rows, ["any", "number", "meter"]) + "</div>"
