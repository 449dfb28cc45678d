"""Checksums: known values, pieces, joined data."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.crc import Checksum, crc32c, joined, to_text, to_value


def test_known_values() -> None:
    # RFC 3720, appendix B.4: 32 zero bytes give 8a9136aa; "123456789" gives e3069283.
    assert to_value(crc32c(bytes(32))) == 0x8A9136AA
    assert to_value(crc32c(b"123456789")) == 0xE3069283
    assert crc32c(b"") == "AAAAAA=="


@given(st.integers(0, 2**32 - 1))
def test_the_text_gives_the_value_back(value: int) -> None:
    assert to_value(to_text(value)) == value


@given(st.binary(), st.binary())
def test_joined_data_has_the_checksum_of_the_whole(first: bytes, second: bytes) -> None:
    assert joined(crc32c(first), crc32c(second), len(second)) == crc32c(first + second)


@given(st.lists(st.binary()))
def test_pieces_give_the_checksum_of_the_whole(pieces: list[bytes]) -> None:
    checksum = Checksum()
    for piece in pieces:
        checksum.update(piece)
    assert checksum.text() == crc32c(b"".join(pieces))
