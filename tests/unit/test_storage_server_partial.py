"""`fields`: what of a JSON resource a client asks for."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.storage.errors import StorageError
from emulator.storage.partial import Fields

RESOURCE: dict[str, Any] = {
    "kind": "list",
    "items": [{"name": "a", "size": "1", "metadata": {"x": "1", "y": "2"}}, {"name": "b"}],
    "next": "token",
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kind", {"kind": "list"}),
        ("next,kind", {"kind": "list", "next": "token"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name)", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name,size),next", {"items": [{"name": "a", "size": "1"}, {"name": "b"}], "next": "token"}),
        ("items(name,metadata/x)", {"items": [{"name": "a", "metadata": {"x": "1"}}, {"name": "b"}]}),
        ("items(metadata(y),name)", {"items": [{"name": "a", "metadata": {"y": "2"}}, {"name": "b"}]}),
        ("items/*/x", {"items": [{"metadata": {"x": "1"}}, {}]}),
        ("kind/x,next", {"next": "token"}),
        ("items,items/name", {"items": RESOURCE["items"]}),
        ("*", RESOURCE),
        ("", RESOURCE),
        ("absent", {}),
    ],
)
def test_what_is_asked_for_is_what_comes(fields: str, expected: object) -> None:
    assert Fields({"fields": fields}).of(RESOURCE) == expected


def test_without_a_query_everything_is_wanted() -> None:
    fields = Fields({})
    assert fields.of(RESOURCE) == RESOURCE
    assert fields.wants("items", "name")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ("items", True),
        ("items/md5", True),
        ("items(name,md5)", True),
        ("items/*", True),
        ("*/md5", True),
        ("items/md5/more", True),
        ("items/name", False),
        ("md5", False),
        ("next,items(name,size)", False),
    ],
)
def test_what_nobody_asks_for_is_not_wanted(fields: str, wanted: bool) -> None:
    assert Fields({"fields": fields}).wants("items", "md5") is wanted


@pytest.mark.parametrize(
    "fields",
    [
        ",",
        "a,",
        ",a",
        "a//b",
        "/a",
        "a/",
        "a(",
        "a(b",
        "a)",
        "a()",
        "a(b))",
        "a(b)c",
        "a(b)/c",
        "a/" * 50 + "a",
        "a," * 100 + "a",
    ],
)
def test_a_selection_that_is_none_is_a_400(fields: str) -> None:
    with pytest.raises(StorageError) as caught:
        Fields({"fields": fields})
    assert caught.value.status == 400
