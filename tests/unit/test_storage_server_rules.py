"""The storage server's pure rules: preconditions, ranges, globs, names, pages, generations, multipart, inflating."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.storage.content import Content, ContentWriter
from emulator.storage.errors import StorageError
from emulator.storage.generations import RESERVED_AHEAD, Generations
from emulator.storage.listing import ListingQuery, decode_token, glob_pattern, page_of
from emulator.storage.media import byte_range, inflated
from emulator.storage.memory import MemorySink
from emulator.storage.multipart import MultipartReader
from emulator.storage.names import check_bucket_name
from emulator.storage.preconditions import Preconditions, Version
from emulator.storage.records import ObjectRecord

STORED = Version(generation=5, metageneration=2, etag="tag")


def _status(call: Callable[[], object]) -> int:
    """Return 200 when the call returns, or the status that it raised."""
    try:
        call()
    except StorageError as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("query", "read", "write", "absent"),
    [
        ({}, 200, 200, 200),
        ({"ifGenerationMatch": "5"}, 200, 200, 412),
        ({"ifGenerationMatch": "6"}, 412, 412, 412),
        ({"ifGenerationMatch": "0"}, 412, 412, 200),
        ({"ifGenerationNotMatch": "5"}, 304, 412, 200),
        ({"ifGenerationNotMatch": "6"}, 200, 200, 200),
        ({"ifGenerationNotMatch": "0"}, 200, 200, 412),
        ({"ifMetagenerationMatch": "2"}, 200, 200, 412),
        ({"ifMetagenerationMatch": "3"}, 412, 412, 412),
        ({"ifMetagenerationNotMatch": "2"}, 304, 412, 200),
        ({"ifMetagenerationNotMatch": "3"}, 200, 200, 200),
        ({"ifGenerationMatch": "5", "ifMetagenerationMatch": "3"}, 412, 412, 412),
    ],
)
def test_preconditions(query: dict[str, str], read: int, write: int, absent: int) -> None:
    conditions = Preconditions.from_query(query)
    assert _status(lambda: conditions.check_read(STORED)) == read
    assert _status(lambda: conditions.check_write(STORED)) == write
    assert _status(lambda: conditions.check_write(None)) == absent


@pytest.mark.parametrize(
    "query", [{"ifGenerationMatch": "x"}, {"ifGenerationMatch": "٣"}, {"ifMetaGenerationMatch": "1"}]
)
def test_a_precondition_that_is_none_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(StorageError) as caught:
        Preconditions.from_query(query)
    assert caught.value.status == 400


@given(st.text(max_size=30), st.integers(0, 1000))
def test_any_range_header_gives_a_range_inside_the_object_or_none_or_416(text: str, size: int) -> None:
    for header in (text, f"bytes={text}", f"bytes={len(text)}-{size}"):
        if _status(partial(byte_range, header, size)) == 200:
            asked = byte_range(header, size)
            assert asked is None or 0 <= asked[0] < asked[1] <= size
        else:
            assert _status(partial(byte_range, header, size)) == 416


@given(st.lists(st.binary(max_size=50), max_size=5), st.integers(1, 40))
def test_multipart_gives_back_its_parts_whatever_the_chunks(parts: list[bytes], chunk: int) -> None:
    parts = [part for part in parts if b"\n--b-o" not in b"\n" + part]
    body = b"".join(b"--b-o\r\nX-Number: %d\r\n\r\n%b\r\n" % (number, part) for number, part in enumerate(parts))
    body += b"--b-o--\r\n"
    reader = MultipartReader((body[at : at + chunk] for at in range(0, len(body), chunk)), b"b-o")
    found: list[bytes] = []
    while (headers := reader.next_part()) is not None:
        assert headers == {"x-number": str(len(found))}
        found.append(b"".join(reader.part()))
    assert found == parts


@given(st.binary(max_size=200))
def test_any_multipart_body_is_read_or_refused(body: bytes) -> None:
    def read() -> None:
        reader = MultipartReader([b"--x\r\n" + body], b"x")
        while reader.next_part() is not None:
            for _ in reader.part():
                pass

    assert _status(read) in {200, 400}


_NAMES = st.lists(st.text(alphabet="ab/é\U0010ffff", min_size=1, max_size=6), unique=True, max_size=30)


@given(_NAMES, st.sampled_from(["", "a", "a/", "b/a"]), st.sampled_from(["", "/", "ab"]), st.integers(1, 5))
def test_pages_together_are_the_whole_list(names: list[str], prefix: str, delimiter: str, limit: int) -> None:
    records = {name: _record(name) for name in names}
    items: list[str] = []
    groups: list[str] = []
    token: str | None = ""
    while token is not None:
        after, after_group = decode_token(token)
        query = ListingQuery(prefix, delimiter, limit=limit, after=after, after_group=after_group)
        page = page_of(sorted(names), records, query)
        assert 0 < len(page.records) + len(page.prefixes) <= limit or page.next_token is None
        items += [record.name for record in page.records]
        groups += page.prefixes
        token = page.next_token

    expected_items, expected_groups = [], set()
    for name in sorted(name for name in names if name.startswith(prefix)):
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
        if found:
            expected_groups.add(prefix + head + found)
        else:
            expected_items.append(name)
    assert (items, groups) == (expected_items, sorted(expected_groups))


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*.csv", "a.csv", "a/b.csv"),
        ("**/b.csv", "x/y/b.csv", "b.json"),
        ("a?c", "abc", "a/c"),
        ("[a-c]x", "bx", "dx"),
        ("[!a-c]x", "dx", "bx"),
        ("{a,b{1,2}}.csv", "b2.csv", "b3.csv"),
        ("a.c", "a.c", "abc"),
        ("\\*", "*", "a"),
        ("a}", "a}", "a"),
        ("[[]", "[", "a"),
        ("[a||b]", "|", "c"),
        ("a,b", "a,b", "a"),
    ],
)
def test_globs(glob: str, matching: str, other: str) -> None:
    pattern = glob_pattern(glob)
    assert pattern.fullmatch(matching)
    assert not pattern.fullmatch(other)


@given(st.text(alphabet="a*?[]{},!^\\/-", max_size=12))
def test_any_glob_is_a_pattern_or_refused(glob: str) -> None:
    assert _status(lambda: glob_pattern(glob)) in {200, 400}


@pytest.mark.parametrize("name", ["abc", "a-b_c.d0", "a" * 63, "x" * 63 + "." + "y" * 63])
def test_good_bucket_names(name: str) -> None:
    assert check_bucket_name(name) == name


def test_generations_increase_reserve_ahead_and_pass_any_earlier_limit() -> None:
    reserved: list[int] = []
    limit = 10**18
    numbers = Generations(limit, reserved.append)
    given_out = [numbers.next() for _ in range(1000)]
    assert given_out == list(range(limit + 1, limit + 1001))
    assert reserved == [limit + 1 + RESERVED_AHEAD]
    again = Generations(reserved[-1], reserved.append)
    assert again.next() > given_out[-1]


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 50))
def test_inflating_gives_back_all_members_whatever_the_chunks(members: list[bytes], chunk: int) -> None:
    packed = b"".join(gzip.compress(member) for member in members)
    chunks = (packed[at : at + chunk] for at in range(0, len(packed), chunk))
    assert b"".join(inflated(chunks)) == b"".join(members)


def test_a_gzip_bomb_is_inflated_in_small_pieces() -> None:
    packed = gzip.compress(bytes(50_000_000))
    assert max(len(piece) for piece in inflated([packed])) <= 1 << 20


@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(0, 300), st.integers(0, 300))
def test_memory_gives_back_any_range(chunks: list[bytes], first: int, second: int) -> None:
    content = _content(*chunks)
    whole = b"".join(chunks)
    start, stop = sorted((min(first, content.size), min(second, content.size)))
    assert b"".join(content.data.open().chunks(start, stop)) == whole[start:stop]


def _content(*chunks: bytes) -> Content:
    with ContentWriter(MemorySink(with_md5=True)) as writer:
        writer.write_all(chunks)
        return writer.finish()


def _record(name: str) -> ObjectRecord:
    return ObjectRecord("bucket", name, 1, 1, _content(), "", "", {})
