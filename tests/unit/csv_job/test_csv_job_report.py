"""The report of a job: what it shows, that it is safe to open, and that it does not depend on how the job ran."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest

from cloud.faults import Fault, Faults
from cloud.faulty import FaultyObjects
from cloud.memory import MemoryObjects
from cloud.objects import TransientError
from schemas.codec import decode
from schemas.jobs import JobSpec, PartRecord
from schemas.models import Profile
from schemas.report import RejectedExample
from tests.unit.csv_job.conftest import MAX, ROWS, World
from worker.core.report_html import report_html
from worker.core.report_summary import JobSummary, RunFigures
from worker.core.report_totals import ReportTotals
from worker.csv_parts import Totals

HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\"'&\u202e"
ATTACK = f'id,text\n1,"{HOSTILE.replace(chr(34), chr(34) * 2)}"\n2,two\n'.encode()


class Tags(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += f"{data} "


def report(data: bytes, **metadata: str) -> bytes:
    world = World()
    upload = world.upload(data, **metadata)
    world.run(upload)
    return world.raw(upload)["report.html"]


def totals(data: bytes, chunk_rows: int) -> ReportTotals:
    world = World()
    upload = world.upload(data)
    world.run(upload, chunk_rows=chunk_rows)
    found = ReportTotals()
    stored = world.stored(upload)
    for name in sorted(name for name in stored if re.fullmatch(r"parts/\d+\.json", name)):
        found.add(decode(stored[name], PartRecord, max_bytes=MAX))
    return found


def test_a_report_says_what_became_of_the_rows() -> None:
    words = " ".join(Tags(report(ROWS, id_column="id")).words.split())
    for said in (
        "11 rows read",
        "6 predictions",
        "5 rejections (45.45%)",
        "unclosed_quote A field opens with a quote that is not closed.",
        "1 9.09% 10 (line 13)",
        "scoring_failed ",
        "1 9.09% 7 (line 9)",
        "in 12 objects of 4 parts",
        "from the job's start to its last part 0.",
        "Rows, the least sure first",
        "eight, or so",
    ):
        assert said in words


def test_nothing_of_an_upload_becomes_markup() -> None:
    seen = Tags(report(ATTACK))
    assert HOSTILE.replace("\u202e", " ") in seen.words
    assert {tag for tag, _ in seen.tags} & {"script", "img", "iframe", "link", "object", "form"} == set()
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]


def test_a_report_loads_nothing_and_its_policy_forbids_it() -> None:
    page = report(ROWS)
    seen = Tags(page)
    policies = [attributes["content"] for _, attributes in seen.tags if "http-equiv" in attributes]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"]
    assert set(re.findall(rb"https?://[^\"' )<]+", page)) <= {
        b"http://www.w3.org/2000/svg",
        b"http://www.w3.org/1999/xlink",
    }
    assert b"url(" not in page
    assert b"@import" not in page
    # Nothing but links to what lies beside it, for whoever follows them.
    assert not [name for _, attributes in seen.tags for name in attributes if name in {"src", "xlink:href"}]
    assert {(tag, attributes["href"]) for tag, attributes in seen.tags if "href" in attributes} == {
        ("a", "rejections.jsonl"),
        ("a", "manifest.json"),
    }


def test_texts_stay_out_where_the_predictions_leave_them_out() -> None:
    assert b"eight, or so" in report(ROWS)
    for columns in ("none", "id"):
        assert b"eight, or so" not in report(ROWS, columns=columns)


def test_the_sums_do_not_depend_on_how_a_file_is_cut() -> None:
    data = b"text\n" + b"".join(b"%s\n" % (b"word " * (1 + row % 7)) for row in range(1_500))
    whole = totals(data, 10_000)
    assert whole.parts == 1
    for chunk_rows in (1, 7, 600):
        cut = totals(data, chunk_rows)
        assert (
            dataclasses.replace(cut, parts=1, stored_objects=whole.stored_objects, stored_bytes=whole.stored_bytes)
            == whole
        )
    assert sum(whole.histogram) == 1_500
    assert whole.sampled == pytest.approx(1_500, rel=0.01)
    assert whole.mean_words == pytest.approx(4, rel=0.05)


def test_a_job_killed_before_its_manifest_keeps_the_report_it_wrote() -> None:
    world = World()
    upload = world.upload(b"text\none\n")
    # Only the answer about the report is lost: the next worker finds it.
    puts = 0
    while "manifest.json" not in world.stored(upload):
        puts += 1
        try:
            world.run(upload, results=FaultyObjects(world.results, Faults(Fault("put", "lost_answer", first=puts))))
        except TransientError:
            world.run(upload)
    manifest = world.run(upload)
    info = world.results.info(f"jobs/{manifest.job}/report.html")
    assert info.crc32c in {stored.crc32c for stored in manifest.objects}


def summary(profile: Profile | None) -> JobSummary:
    world = World()
    upload = world.upload(ROWS)
    world.run(upload)
    stored = world.stored(upload)
    spec = decode(stored["spec.json"], JobSpec, max_bytes=MAX)
    all_parts = Totals()
    for number in range(4):
        all_parts.add(decode(stored[f"parts/{number:06d}.json"], PartRecord, max_bytes=MAX))
    spec = JobSpec(
        **{name: getattr(spec, name) for name in spec.__struct_fields__ if name != "profile"}, profile=profile
    )
    return all_parts.summary(spec, "too_many: because <b>", RUN)


RUN = RunFigures(
    seconds=75.4, cost={"cpu_s": 1.25, "storage_operations": 1234, "bytes_read": 2_000_000, "bytes_written": 99}
)


def test_without_pygal_there_are_tables_and_a_hint() -> None:
    job = summary(Profile({"even": 0.5, "odd": 0.5}, [], 2.0))
    drawn, plain = report_html(job, plots=True), report_html(job, plots=False)
    assert drawn.count(b"<svg") == 2
    assert b"<svg" not in plain
    assert b"install reviewmill[report]" in plain
    assert b"0.7 to 0.8" in plain
    assert b"too_many: because &lt;b&gt;" in plain
    assert b"Drift" in plain
    assert report_html(job, plots=True) == drawn


def test_what_the_run_took_is_shown() -> None:
    words = " ".join(Tags(report_html(summary(None), plots=False)).words.split())
    for said in (
        "from the job's start to its last part 0:01:15",
        # Eleven rows in 75 seconds.
        "rows a second 0",
        "processor time of the worker that finished it 1.2 s",
        "storage operations of that worker 1,234",
        "read by that worker 2,000,000 bytes",
        "written by that worker 99 bytes",
    ):
        assert said in words


def test_the_time_is_from_the_spec_to_the_last_part() -> None:
    clock = itertools.count(1_000)
    world = World(results=MemoryObjects("gs://results", now=lambda: next(clock)))
    upload = world.upload(ROWS)
    job = world.run(upload).job
    times = {info.name.rpartition("/")[2]: info.updated for info in world.results.listing(f"jobs/{job}/")}
    assert times["report.html"] > times["000003.json"] > times["spec.json"]
    seconds = times["000003.json"] - times["spec.json"]
    page = world.results.get(f"jobs/{job}/report.html")[0]
    words = " ".join(Tags(page).words.split())
    assert f"from the job's start to its last part {seconds:.1f} s rows a second {11 / seconds:,.0f} " in words


def test_one_of_a_thing_is_no_plural() -> None:
    words = " ".join(Tags(report(b"text\ngood\n")).words.split())
    for said in ("1 row read", "1 prediction ", "0 rejections (0.00%)", "1 label given", "of 1 part"):
        assert said in words
    assert "words a row" in words
    none = " ".join(Tags(report(b"text\n,\n")).words.split())
    assert "1 rejection (100.00%) 0 labels given" in none
    assert "words a row" not in none


def test_no_row_is_among_the_most_and_the_least_sure() -> None:
    for rows, lists in ((8, 1), (9, 2), (40, 2)):
        page = report(
            b"id,text\n" + b"".join(b"id%d,%s\n" % (row, b"x" * row) for row in range(1, rows + 1)), id_column="id"
        )
        shown = re.findall(rb"<bdi>(id\d+)</bdi>", page)
        assert len(shown) == len(set(shown)) == min(rows, 16)
        assert (b"<h3>Most sure" in page) is (lists == 2)


def test_a_plot_of_few_rows_marks_whole_rows() -> None:
    page = report(b"text\n" + b"good\n" * 3)
    assert re.findall(rb">(\d+)</text>", page) == [b"0", b"1", b"2", b"3"]


def test_examples_of_rejections_are_the_first_rows() -> None:
    found = totals(b"text,id\n" + b"x\n" * 40, 3)
    assert found.rejected == {"too_few_fields": [RejectedExample(row, row + 1) for row in range(1, 6)]}
