"""The small pure pieces: times, requests of ack ids, groups of sources, names and paths."""

from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped,unused-ignore]  # ships no types
from hypothesis import given
from hypothesis import strategies as st

from cloud.folder_layout import PRIVATE, Layout
from cloud.gcs_compose import MAX_SOURCES, groups
from cloud.objects import check_name
from cloud.pubsub import chunks
from cloud.rfc3339 import stamp


@given(st.integers(0, 253_402_300_799), st.one_of(st.integers(0, 999_999_999), st.sampled_from([0, 1_000, 1_000_000])))
def test_times_are_written_as_protobuf_writes_them(seconds: int, nanos: int) -> None:
    assert stamp(seconds, nanos) == Timestamp(seconds=seconds, nanos=nanos).ToJsonString()


@given(st.lists(st.integers(1, 200_000).map(lambda size: "x" * size), max_size=30))
def test_requests_hold_all_ids_in_order_and_are_not_too_large(ack_ids: list[str]) -> None:
    made = list(chunks(ack_ids))
    assert [ack_id for chunk in made for ack_id in chunk] == ack_ids
    assert all(sum(map(len, chunk)) <= 512 * 1024 for chunk in made)


def test_a_request_holds_2500_ids() -> None:
    assert [len(chunk) for chunk in chunks(["id"] * 6_000)] == [2_500, 2_500, 1_000]


@given(st.integers(0, 5_000))
def test_groups_hold_all_in_order(count: int) -> None:
    made = groups(range(count))
    assert [number for group in made for number in group] == list(range(count))
    assert all(0 < len(group) <= MAX_SOURCES for group in made)


@given(st.text(min_size=1, max_size=60) | st.lists(st.sampled_from([".", "..", "", "a", PRIVATE, "~"])).map("/".join))
def test_no_name_leads_out_of_a_folder(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    root = Path("/no/such/folder")
    for path in Layout(root).candidates(name):
        assert path.resolve().is_relative_to(root)
        assert path != root


@pytest.mark.parametrize("name", ["a", "models/linear_svc_model/current.json", "dt=2026-11-22/hr=18/x.jsonl", "Zürich"])
def test_a_plain_name_is_its_path(name: str) -> None:
    assert Layout(Path("/no/such/folder")).candidates(name)[0] == Path("/no/such/folder", name)
