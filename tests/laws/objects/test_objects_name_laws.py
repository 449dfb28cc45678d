"""Laws of names: what can be one, and that each is its own object."""

from pathlib import Path

import pytest

from cloud.objects import ObjectInfo, ObjectNotFound, Objects

NAMES = [
    "plain",
    "models/linear_svc_model/versions/1/manifest.json",
    "reviews/v1/dt=2026-11-22/hr=18/ab.jsonl",
    "../escape",
    "a/../../escape",
    "/absolute",
    "//two",
    "trailing/",
    "a//b",
    "./here",
    "a/./b",
    ".hidden",
    ".reviewmill/lock",
    ".ReviewMill/lock",
    "sp ace",
    "trailing dot.",
    "quote'\"`$(x)",
    "q?&#%2F%00+=",
    "back\\slash",
    "tab\tbell\x07",
    "nul\x00byte",
    "Zürich/naïve",
    "Zu\u0308rich",
    "评论/映画",
    "\U0001f600",
    "\u2028line",
    "colon:star*",
    "x" * 1024,
    "é" * 512,
    "/".join(["d"] * 500),
    "a" * 300 + "/b",
]

REFUSED = ["", ".", "..", "a\nb", "a\rb", "x" * 1025, "é" * 513, "\ud800", ".well-known/acme-challenge/x"]


def put(objects: Objects, name: str, data: bytes) -> ObjectInfo:
    return objects.put(name, data, content_type="text/plain", if_generation=0)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_kept_as_it_is(objects: Objects, name: str) -> None:
    info = put(objects, name, b"data")
    assert info.name == name
    assert objects.get(name) == (b"data", info)
    assert b"".join(objects.stream(name, generation=info.generation)) == b"data"
    assert list(objects.listing("")) == [info]
    objects.delete(name)
    assert list(objects.listing("")) == []


def test_names_do_not_meet(objects: Objects) -> None:
    for name in NAMES:
        put(objects, name, name.encode())
    for name in NAMES:
        assert objects.get(name)[0] == name.encode()
    assert [info.name for info in objects.listing("")] == sorted(NAMES)


@pytest.mark.parametrize("order", [["a", "a/b", "a/b/c"], ["a/b/c", "a/b", "a"]], ids=["down", "up"])
def test_an_object_can_lie_below_another(objects: Objects, order: list[str]) -> None:
    for name in order:
        put(objects, name, name.encode())
    assert [(info.name, objects.get(info.name)[0]) for info in objects.listing("")] == [
        ("a", b"a"),
        ("a/b", b"a/b"),
        ("a/b/c", b"a/b/c"),
    ]
    objects.delete("a")
    assert [info.name for info in objects.listing("a")] == ["a/b", "a/b/c"]
    put(objects, "a", b"again")
    assert objects.get("a")[0] == b"again"


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_what_can_be_no_name_is_refused(objects: Objects, tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    put(objects, "source", b"x")
    with pytest.raises(ValueError, match="name"):
        put(objects, name, b"x")
    with pytest.raises(ValueError, match="name"):
        objects.put_file(name, path, content_type="text/plain", if_generation=0)
    with pytest.raises(ValueError, match="name"):
        objects.compose(["source"], name, content_type="text/plain")
    for call in (objects.get, objects.info, objects.delete):
        with pytest.raises(ValueError, match="name"):
            call(name)
    assert [info.name for info in objects.listing("")] == ["source"]


def test_a_prefix_of_a_name_is_no_object(objects: Objects) -> None:
    put(objects, "folder/object", b"x")
    for name in ("folder", "folder/", "folder/obj", "folder/object/"):
        with pytest.raises(ObjectNotFound):
            objects.get(name)
