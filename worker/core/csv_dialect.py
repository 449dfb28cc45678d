"""Whether a file can be read as its dialect says: encodings, delimiters, signatures of other formats."""

from __future__ import annotations

import codecs
import re

from schemas.errors import InvalidInput
from schemas.jobs import Dialect

SIGNATURE_BYTES = 4

_ASCII_BASED = frozenset(
    {"utf-8", "ascii", "koi8-r", "koi8-u", "mac-roman", "cp437", "cp850", "cp852", "cp866", "cp874"}
    | {f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))}
    | {f"cp{page}" for page in range(1250, 1259)}
)
"""Encodings in which the bytes of line ends, quotes and delimiters mean nothing else: records can be cut unread."""

_SEPARATOR = re.compile(rb"(?i:sep)=([!-~\t ])")
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,40}")

_SIGNATURES = (
    (b"\x1f\x8b", "compressed_file", "The file is compressed (gzip). Upload it uncompressed."),
    (b"PK\x03\x04", "not_csv", "The file is a spreadsheet or a zip archive. Export it as CSV (UTF-8) and upload that."),
    (b"PAR1", "not_csv", "The file is in Parquet format, and is to be read as another. Leave its format out."),
    (b"\xd0\xcf\x11\xe0", "not_csv", "The file is an old spreadsheet. Export it as CSV (UTF-8) and upload that."),
)


def check_dialect(dialect: Dialect) -> None:
    """Raise InvalidInput("invalid_dialect") where no file can be read that way."""
    name = "utf-8" if is_utf_16(dialect.encoding) else codec_name(dialect.encoding)
    roles = (
        ("delimiter", dialect.delimiter, "such as ',' or a TAB. Set another one."),
        ("quote", dialect.quote, "such as '\"' or \"'\". Set one of them, or none."),
    )
    for role, character, fix in roles:
        if character is None:
            continue
        if len(character) != 1 or character in "\r\n\0\ufeff":
            raise _invalid(f"The {role} must be one character and no line end, {fix}")
        try:
            character.encode(name)
        except UnicodeEncodeError:
            raise _invalid(f"The {role} does not exist in the encoding {name}. Set another one.") from None
    if dialect.quote is not None and (not dialect.quote.isascii() or dialect.quote == dialect.delimiter):
        raise _invalid("The quote must be an ASCII character other than the delimiter. Set another one, or none.")


def is_utf_16(encoding: str) -> bool:
    """Say whether this is UTF-16 with a byte order mark, which is turned into UTF-8 before it is read."""
    return encoding.lower().replace("_", "-") in {"utf-16", "utf16"}


def excel_separator(line: bytes) -> str | None:
    """Return the delimiter that Excel's first line `sep=;` tells, None for any other line."""
    match = _SEPARATOR.fullmatch(line)
    return match[1].decode() if match else None


def codec_name(encoding: str) -> str:
    """Return Python's name of the encoding. Raises InvalidInput("invalid_dialect") for one that is not supported."""
    try:
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError):
        name = ""
    if name == "utf-8-sig":
        name = "utf-8"
    if name not in _ASCII_BASED:
        shown = f" {encoding!r}" if _NAME.fullmatch(encoding) else ""
        raise _invalid(
            f"The encoding{shown} is not one that is read. Save the file as UTF-8, or name a single-byte encoding "
            "such as cp1252 or iso-8859-1."
        )
    return name


def check_signature(head: bytes, encoding: str) -> None:
    """Raise InvalidInput where the file's first bytes show another format or another encoding than `encoding`."""
    for signature, code, reason in _SIGNATURES:
        if head.startswith(signature):
            raise InvalidInput(code, reason)
    if head[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} and not _is_single_byte_text(head, encoding):
        raise _wrong_encoding("UTF-16")
    if head[:3] == codecs.BOM_UTF8 and encoding != "utf-8":
        raise InvalidInput(
            "wrong_encoding",
            f"The file begins as UTF-8, but the encoding is set to {encoding}. Leave the encoding out.",
        )
    # Text without a byte order mark: every second byte of UTF-16, three of four of UTF-32, are NUL in Western text.
    zeros = tuple(byte == 0 for byte in head[:SIGNATURE_BYTES])
    if zeros in {(True, False, True, False), (False, True, False, True)}:
        raise _wrong_encoding("UTF-16")
    if zeros in {(True, True, True, False), (False, True, True, True), (True, True, False, False)}:
        raise _wrong_encoding("UTF-32")


def _is_single_byte_text(head: bytes, encoding: str) -> bool:
    """`ÿþ` and `þÿ` are letters in single-byte encodings; text of those has no NUL behind them."""
    return encoding != "utf-8" and b"\0" not in head[2:]


def _wrong_encoding(found: str) -> InvalidInput:
    return InvalidInput("wrong_encoding", f"The file is {found}. Save it as UTF-8 and upload it again.")


def _invalid(reason: str) -> InvalidInput:
    return InvalidInput("invalid_dialect", reason)
