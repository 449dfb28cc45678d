"""The end of the report: what was rejected and why, and what the job took."""

from __future__ import annotations

from worker.core.report_page import section, table, text
from worker.core.report_summary import JobSummary, counted, lasted


def rejections_section(job: JobSummary) -> str:
    """Return rejections by cause, each with the sentence of its first row."""
    if not job.codes:
        return section("Rejections", "<p class='good'>None: every row was scored.</p>")
    rows = []
    for code, count in sorted(job.codes.items(), key=lambda item: (-item[1], item[0])):
        places = ", ".join(f"{one.row:,} (line {one.line:,})" for one in job.totals.rejected.get(code, []))
        said = job.totals.reasons.get(code)
        cause = f"<code>{text(code)}</code>" + (f"<br><span class='soft'>{text(said)}</span>" if said else "")
        rows.append([cause, f"{count:,}", f"{count / job.counts.rows:.2%}", places])
    return section(
        "Rejections",
        table(["cause", "rows", "share", "first rows"], rows, ["any", "number", "number", ""]),
        "<p class='note'>The sentence is that of the cause's first row. <a href='rejections.jsonl'>rejections.jsonl"
        "</a> names every row, with the reason and how to mend it.</p>",
    )


def cost_section(job: JobSummary) -> str:
    """Return what the job took: first what follows from the file, then what this run of it was."""
    totals, cost = job.totals, job.run.cost
    objects = f"{counted(totals.stored_objects, 'object')} of {counted(totals.parts, 'part')}"
    fixed = [
        ["the file", f"{job.spec.source.size:,} bytes"],
        ["stored in parts", f"{totals.stored_bytes:,} bytes in {objects}"],
    ]
    run = [
        ["from the job's start to its last part", lasted(job.run.seconds)],
        ["rows a second", _rate(job.counts.rows, job.run.seconds)],
        ["processor time of the worker that finished it", f"{cost['cpu_s']:,.1f} s"],
        ["storage operations of that worker", f"{cost['storage_operations']:,.0f}"],
        ["read by that worker", f"{cost['bytes_read']:,.0f} bytes"],
        ["written by that worker", f"{cost['bytes_written']:,.0f} bytes"],
    ]
    missing = totals.parts_without_report
    return section(
        "Time and cost",
        table(["what", "how much"], fixed, ["", "number"]),
        # The class marks what differs from run to run.
        "<h3>This run</h3>",
        table(["what", "how much"], run, ["", "number run"]),
        f"<p class='warn'>{counted(missing, 'part')} of an earlier release: counted, and not in the plots, words and "
        "examples above.</p>"
        if missing
        else "",
        "<p class='note'>The time is by storage's clock, with pauses between workers. Where several workers shared the "
        "job, or one went on after another, the rest is of the last one, until it wrote this report; seconds by phase "
        "are in <a href='manifest.json'>manifest.json</a>.</p>",
    )


def _rate(rows: int, seconds: float) -> str:
    return f"{rows / seconds:,.0f}" if seconds > 0 else "too fast to tell"
