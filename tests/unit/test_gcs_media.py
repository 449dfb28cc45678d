"""What is made of answers that the storage service should not give."""

from __future__ import annotations

from typing import Any, Self, cast

import pytest
import requests
from google.api_core.exceptions import GoogleAPICallError

from cloud.gcs_media import Media


class WholeObject:
    """A session whose server takes no notice of ranges; an answer whose body is read fails the test."""

    status_code = 200
    closed = False

    def get(self, *_arguments: object, **_options: object) -> WholeObject:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.closed = True

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - there is nothing of any type
        raise AssertionError(f"the answer's {name} was asked for")


def test_a_whole_object_for_a_range_is_not_read() -> None:
    answer = WholeObject()
    media = Media(cast("requests.Session", answer), "http://storage", "/b/bucket")
    with pytest.raises(GoogleAPICallError, match="range"):
        list(media.download("/b/bucket/o/name", 1, 0, 10, timeout_s=1.0))
    assert answer.closed
