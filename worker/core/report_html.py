"""A job's counts and sums → report.html. The same values give the same bytes.

From run to run, only the figures of the run differ, in cells of the class `run`.
"""

from __future__ import annotations

import msgspec

from worker.core.report_cost import cost_section, rejections_section
from worker.core.report_drift import SHIFTED, STABLE, Drift, label_drift, probability_drift
from worker.core.report_page import foreign, meter, page, section, table, text
from worker.core.report_plots import can_plot, histogram, shares
from worker.core.report_rows import examples_section, terms_section
from worker.core.report_summary import JobSummary, counted

_LABELS_SHOWN = 30


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
            examples_section(job),
            terms_section(job),
            rejections_section(job),
            cost_section(job),
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
        _tile(counts.rows, "row", " read"),
        _tile(counts.predictions, "prediction"),
        _tile(counts.rejections, "rejection", f" ({share})"),
        _tile(len([1 for count in job.labels.values() if count]), "label", " given"),
        *([] if words is None else [(f"{words:,.1f}", "words a row")]),
    ]
    return (
        '<div class="tiles">'
        + "".join(f'<div class="tile"><b>{b}</b><span>{s}</span></div>' for b, s in tiles)
        + "</div>"
    )


def _tile(number: int, one: str, more: str = "") -> tuple[str, str]:
    shown, _, noun = counted(number, one).partition(" ")
    return shown, noun + more


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
        f"<p class='note'>{counted(more, 'more label')} in <a href='manifest.json'>manifest.json</a>.</p>"
        if more > 0
        else "",
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
