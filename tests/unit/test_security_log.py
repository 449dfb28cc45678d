from __future__ import annotations

import json
import logging
import sys

import pytest

from worker.core.describe import describe_exception
from worker.log import JsonFormatter

SECRET = "CANARY7f3a"


def failing(depth: int) -> Exception:
    """Return an exception whose message, and those of its causes, hold the secret."""
    try:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            if depth:
                raise ValueError(f"cannot read {SECRET}") from error
            raise UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET)  # noqa: B904 - an implicit cause
    except ValueError as error:
        return error


@pytest.mark.parametrize("depth", [0, 1])
def test_a_logged_exception_tells_types_and_places_but_no_message(depth: int) -> None:
    told = describe_exception(failing(depth))
    assert SECRET not in told
    assert "KeyError" in told.splitlines()
    assert told.endswith(("ValueError", "UnicodeDecodeError"))
    assert "in failing" in told


def test_a_log_line_with_an_exception_is_json_without_its_message() -> None:
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        record = logging.LogRecord("a", logging.ERROR, "f.py", 1, "message %s", ("m1",), sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "message m1"
    assert "RuntimeError" in line["exception"]
    assert SECRET not in str(line)


def test_causes_that_go_in_a_circle_are_told_once() -> None:
    one, other = ValueError(SECRET), TypeError(SECRET)
    one.__cause__, other.__cause__ = other, one
    assert describe_exception(one).splitlines() == ["TypeError", "then:", "ValueError"]
