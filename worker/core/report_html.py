"""A job's counts and sums → report.html. The same values give the same bytes: there is no clock in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from schemas.jobs import Counts, JobSpec, ModelShare
from schemas.report import RowExample
from worker.core.report_drift import SHIFTED, STABLE, Drift, label_drift, probability_drift
from worker.core.report_page import foreign, meter, page, section, table, text
from worker.core.report_plots import can_plot, histogram, shares
from worker.core.report_totals import ReportTotals

_LABELS_SHOWN = 30
_LABELS_EXPLAINED = 6
_TERMS_SHOWN = 15
_TWO = 2


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What the manifest says of a job, and the sums of its parts."""

    spec: JobSpec
    counts: Counts
    labels: Mapping[str, int]
    codes: Mapping[str, int]
    reason: str | None
    """Why the job failed; None where it is done."""
    totals: ReportTotals
    models: Sequence[ModelShare] = ()
    """How many rows each model scored, where rows name models."""


def report_html(job: JobSummary, *, plots: bool | None = None) -> bytes:
    """Return the report: one self-contained file. Plots are drawn where pygal is installed, unless `plots` says."""
    plots = can_plot() if plots is None else plots
    return page(
        f"Report of {job.spec.source.object}",
        [
            _head(job),
            _tiles(job),
            "" if plots else "<p class='note'>Plots need pygal: install reviewmill[report] beside the worker.</p>",
            _models(job),
            _labels(job, plots=plots),
            _probabilities(job, plots=plots),
            _drift(job),
            _examples(job),
            _terms(job),
            _rejections(job),
            _cost(job),
        ],
    )


def _head(job: JobSummary) -> str:
    spec = job.spec
    state = "<span class='state good'>done</span>"
    if job.reason is not None:
        state = f"<span class='state bad'>failed</span>: {text(job.reason)} What was scored before is below."
    each = "" if spec.row_models is msgspec.UNSET else "the model that each row names, else by "
    return (
        f"<h1>{foreign(spec.source.object)}</h1>\n<p class='soft'>scored by {each}{text(spec.model)}, "
        f"version {text(spec.version)}; generation {spec.source.generation} of "
        f"gs://{text(spec.source.bucket)}; job {text(spec.job)}</p>\n<p>{state}</p>"
    )


def _tiles(job: JobSummary) -> str:
    counts = job.counts
    share = f"{counts.rejections / counts.rows:.2%}" if counts.rows else "none"
    words = job.totals.mean_words
    tiles = [
        (f"{counts.rows:,}", "rows read"),
        (f"{counts.predictions:,}", "predictions"),
        (f"{counts.rejections:,}", f"rejections ({share})"),
        (f"{len([1 for count in job.labels.values() if count]):,}", "labels given"),
        ("none" if words is None else f"{words:,.1f}", "words a row"),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{s}</span></div>' for b, s in tiles)
        + "</div>"
    )


def _models(job: JobSummary) -> str:
    if not job.models:
        return ""
    total = job.counts.predictions
    rows = [
        [text(one.model), text(one.version), f"{one.predictions:,}", f"{one.predictions / total:.1%}"]
        for one in job.models
    ]
    return section(
        "Models",
        table(["model", "version", "predictions", "share"], rows, ["", "", "number", "number"]),
        "<p class='note'>What follows is of all of them together. Drift, and the words that counted, are of one model: "
        "upload its rows as a file of their own to see them.</p>",
    )


def _labels(job: JobSummary, *, plots: bool) -> str:
    total = job.counts.predictions
    expected = job.spec.profile.label_shares if job.spec.profile else {}
    names = sorted({*job.labels, *expected}, key=lambda name: (-job.labels.get(name, 0), name))
    if not total:
        return ""
    actual = {name: job.labels.get(name, 0) / total for name in names[:_LABELS_SHOWN]}
    head = ["label", "predictions", "share", *(["share of held-out rows"] if expected else [])]
    rows = [
        [
            foreign(name),
            f"{job.labels.get(name, 0):,}",
            f"{share:.1%}",
            *([f"{expected.get(name, 0.0):.1%}"] if expected else []),
        ]
        for name, share in actual.items()
    ]
    more = len(names) - len(actual)
    key = '<p class="note"><i class="key"></i>this job<i class="key other"></i>held-out rows at training</p>'
    plot = f'<div class="{"pair" if expected else ""}">{shares(actual, expected)}</div>' if plots else ""
    return section(
        "Labels",
        plot,
        key if plots and expected else "",
        table(head, rows, ["any", *["number"] * (len(head) - 1)]),
        f"<p class='note'>{more:,} more labels are in manifest.json.</p>" if more > 0 else "",
    )


def _probabilities(job: JobSummary, *, plots: bool) -> str:
    counts = job.totals.histogram
    title = "How sure the classifier is"
    if not sum(counts):
        if job.totals.measure == "none":
            return ""
        return section(
            title,
            "<p>This classifier gives no probabilities. Its rows are ranked by margin: the distance between the "
            "decision values of the label that was chosen and of the next one.</p>",
        )
    note = "<p class='note'>Predictions by the probability of the label that was given, in steps of 0.02.</p>"
    if plots:
        return section(title, histogram(counts), note)
    step, most = len(counts) // 10, max(sum(counts[at : at + 5]) for at in range(0, len(counts), 5))
    rows = [
        [f"{at / len(counts):.1f} to {(at + step) / len(counts):.1f}", f"{count:,}", meter(count / most)]
        for at in range(0, len(counts), step)
        if (count := sum(counts[at : at + step]))
    ]
    return section(title, table(["probability", "predictions", ""], rows, ["", "number", "meter"]))


def _drift(job: JobSummary) -> str:
    profile, totals = job.spec.profile, job.totals
    if profile is None or not job.counts.predictions:
        return ""
    rows = [
        [name, *_verdict(found)]
        for name, found in (
            ("labels", label_drift(job.labels, profile)),
            ("probabilities", probability_drift(totals.deciles, profile)),
        )
        if found is not None
    ]
    words = totals.mean_words
    spoken = (
        ""
        if words is None
        else f"Rows have {words:,.1f} words on average; held-out rows had {profile.mean_words:,.1f}."
    )
    return section(
        "Drift against the rows that the model was tested on",
        table(["distribution of", "index", "by chance up to", "reading"], rows, ["", "number", "number", ""]),
        f"<p>{spoken}</p>",
        f"<p class='note'>Population stability index: up to {STABLE:g} is read as stable, above {SHIFTED:g} as drift. "
        "“By chance” is what 95 of 100 jobs with as many rows stay below without any drift.</p>",
    )


def _verdict(found: Drift) -> list[str]:
    mark = {"stable": "good", "drift": "bad"}.get(found.verdict, "warn")
    return [f"{found.index:.3f}", f"{found.by_chance:.3f}", f"<span class='{mark}'>{found.verdict}</span>"]


def _examples(job: JobSummary) -> str:
    totals = job.totals
    if not totals.most:
        return ""
    return section(
        "Rows the classifier is most and least sure of",
        "<h3>Least sure</h3>",
        _example_table(totals.least, totals.measure),
        "<h3>Most sure</h3>",
        _example_table(totals.most, totals.measure),
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


def _terms(job: JobSummary) -> str:
    totals = job.totals
    labels = sorted(totals.terms, key=lambda label: (-job.labels.get(label, 0), label))
    if not labels:
        return ""
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
        "rows, over a sample: all of the first 256 rows, then every second, fourth and so on. Of each part, the 60 "
        "strongest terms each way are kept.</p>",
    )


def _term_list(title: str, terms: list[tuple[str, int]], sampled: int) -> str:
    if not terms:
        return ""
    shown = terms[:_TERMS_SHOWN]
    most = max(abs(value) for _, value in shown)
    rows = [[foreign(term), f"{value / 1000 / sampled:+,.2f}", meter(abs(value) / most)] for term, value in shown]
    return f"<div><h3>{text(title)}</h3>" + table(["term", "added", ""], rows, ["any", "number", "meter"]) + "</div>"


def _rejections(job: JobSummary) -> str:
    if not job.codes:
        return section("Rejections", "<p class='good'>None: every row was scored.</p>")
    rows = []
    for code, count in sorted(job.codes.items(), key=lambda item: (-item[1], item[0])):
        places = ", ".join(f"{one.row:,} (line {one.line:,})" for one in job.totals.rejected.get(code, []))
        rows.append([f"<code>{text(code)}</code>", f"{count:,}", f"{count / job.counts.rows:.2%}", places])
    return section(
        "Rejections",
        table(["cause", "rows", "share", "first rows"], rows, ["", "number", "number", ""]),
        "<p class='note'>rejections.jsonl names every row, with the reason and how to mend it.</p>",
    )


def _cost(job: JobSummary) -> str:
    totals = job.totals
    rows = [
        ["source read", f"{job.spec.source.size:,} bytes"],
        [
            "stored in parts",
            f"{totals.stored_bytes:,} bytes in {totals.stored_objects:,} objects of {totals.parts:,} parts",
        ],
    ]
    missing = totals.parts_without_report
    return section(
        "Time and cost",
        table(["what", "how much"], rows, ["", ""]),
        f"<p class='warn'>{missing:,} parts were made by an earlier release and add counts only.</p>"
        if missing
        else "",
        "<p class='note'>Seconds by phase, CPU seconds and storage operations are in manifest.json, beside this file: "
        "they differ from run to run, and this report does not.</p>",
    )
