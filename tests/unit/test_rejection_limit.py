"""How a limit of rejections is written, and when it is exceeded."""

from __future__ import annotations

import pytest

from worker.core.rejection_limit import exceeds, rejection_limit


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("0.5", 0.5),
        (".05", 0.05),
        ("10%", 0.1),
        ("0.5 %", 0.005),
        ("0%", 0.0),
        ("0", 0.0),
        ("0.0", 0.0),
        ("1", 1.0),
        (" 500 ", 500.0),
        ("100%", None),
        ("100.0%", None),
    ],
)
def test_a_limit_is_a_share_or_a_count(text: str, limit: float | None) -> None:
    assert rejection_limit(text) == limit


@pytest.mark.parametrize("text", ["1.0", "1.5", "1.", "500.0"])
def test_what_may_be_either_is_refused_with_both_ways_to_write_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"a whole number of rows, such as 1, or .* such as 100%"):
        rejection_limit(text)


@pytest.mark.parametrize("text", ["", "-1", "101%", "1e3", "nan", "inf", "few", "٣", "5%%", "%"])
def test_other_texts_are_no_limit(text: str) -> None:
    with pytest.raises(ValueError, match="must be a share of the rows"):
        rejection_limit(text)


@pytest.mark.parametrize("read", [0.0, 0.01, 1.0])
def test_a_count_stops_a_job_wherever_it_is(read: float) -> None:
    assert exceeds(0, rejections=1, rows=1_000, read=read)
    assert not exceeds(0, rejections=0, rows=1_000, read=read)
    assert exceeds(5, rejections=6, rows=1_000, read=read)
    assert not exceeds(5, rejections=5, rows=5, read=read)
    assert not exceeds(None, rejections=5, rows=5, read=read)


@pytest.mark.parametrize(
    ("rejections", "rows", "read", "stops"),
    [
        (500, 500, 0.25, False),
        (500, 500, 0.31, True),
        (500, 2_000, 1.0, False),
        (601, 2_000, 1.0, True),
        (500, 500, 0.0, False),
    ],
)
def test_a_share_stops_a_job_that_the_rest_cannot_save(rejections: int, rows: int, read: float, stops: bool) -> None:
    assert exceeds(0.3, rejections=rejections, rows=rows, read=read) is stops
