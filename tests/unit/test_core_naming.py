from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.envelope import normal_time
from worker.core.naming import job_id, parse_time, part_object, partition, reviews_object, utc_text

STAMP = "2026-11-22T18:05:09.123456Z"


def test_the_publishers_stamp_names_the_partition() -> None:
    assert partition(STAMP, "2026-11-23T01:00:00Z") == "dt=2026-11-22/hr=18"


def test_the_publish_time_stands_in_for_a_missing_or_unreadable_stamp() -> None:
    for stamp in (None, "", "yesterday", "2026-99-22T18:05:09Z", "../../etc"):
        assert partition(stamp, "2026-11-23T01:00:00.5Z") == "dt=2026-11-23/hr=01"


def test_offsets_are_turned_into_utc() -> None:
    assert partition("2026-11-22T23:30:00-02:00", STAMP) == "dt=2026-11-23/hr=01"


@pytest.mark.parametrize("stamp", ["2026-11-22T18:05:09.123456789Z", "2026-11-22T18:05:09.123456Z"])
def test_push_and_pull_times_become_the_same(stamp: str) -> None:
    assert normal_time(stamp) == STAMP
    assert normal_time("2026-11-22T18:05:09Z") == "2026-11-22T18:05:09.000000Z"


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_time_is_read_back(moment: datetime) -> None:
    assert parse_time(f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z".zfill(27)) == moment


@given(
    st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001 - zones are drawn
    st.integers(0, 9),
    st.sampled_from(["Z", "+00:00", "-00:00", "+05:30", "-23:59"]),
)
def test_a_time_in_any_form_becomes_the_same_text(moment: datetime, digits: int, zone: str) -> None:
    fraction = f"{moment.microsecond:06d}789"[:digits]
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{fraction}{zone}"
    parsed = parse_time(stamp)
    assert parsed is not None
    assert utc_text(stamp) == f"{parsed:%Y-%m-%dT%H:%M:%S.%f}Z"
    assert partition(stamp, "") == f"dt={parsed:%Y-%m-%d}/hr={parsed:%H}"


@pytest.mark.parametrize(
    "stamp", ["2026-11-22T24:00:00Z", "2026-02-30T00:00:00Z", "\u0662026-11-22T18:05:09Z", "2026-11-22T18:05:09Z\n"]
)
def test_what_is_no_time_is_told(stamp: str) -> None:
    assert utc_text(stamp) is None
    assert normal_time(stamp) == stamp


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_partition_is_always_a_safe_folder(enqueued_at: str, publish_time: str) -> None:
    assert re.fullmatch(r"dt=(unknown|\d{4}-\d\d-\d\d)/hr=(unknown|\d\d)", partition(enqueued_at, publish_time))


@given(st.text(max_size=30), st.text(max_size=200), st.integers(0, 2**63))
def test_a_job_id_is_a_safe_name_and_tells_generations_apart(bucket: str, name: str, generation: int) -> None:
    job = job_id(bucket, name, generation)
    assert re.fullmatch(r"[a-z0-9-]{1,40}-[0-9a-f]{16}", job)
    assert job != job_id(bucket, name, generation + 1)
    assert job == job_id(bucket, name, generation)


def test_names_are_content_addressed_and_sortable() -> None:
    assert reviews_object("reviews", "dt=2026-11-22/hr=18", b"") == (
        "reviews/v1/dt=2026-11-22/hr=18/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.jsonl"
    )
    assert part_object("x", 7, "csv") == "jobs/x/parts/000007.csv"
