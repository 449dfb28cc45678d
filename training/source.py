"""Where the training data is: a local file, or an object of a bucket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloud.objects import ObjectNotFound, Objects
from schemas.errors import InvalidInput

SAMPLE = Path(__file__).parent / "data" / "sentiment_sentences.csv"
"""The data set that ships with the program; `training/data/README.md` tells its source and licence."""

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes that can be read more than once."""

    name: str
    """Without its folder: it is stored in the manifest."""
    chunks: Callable[[], Iterator[bytes]]


def open_source(data: str, open_bucket: Callable[[str], Objects]) -> Source:
    """Return the data at a path or a `gs://bucket/object` address. Raises InvalidInput where there is none.

    `open_bucket` connects to `gs://bucket`. The object's generation is pinned, so both readings see the same bytes.
    """
    if data.startswith("gs://"):
        return _object_source(data, open_bucket)
    path = Path(data)
    if not path.is_file():
        raise InvalidInput("no_data", f"There is no file {data!r}. Name a CSV or TSV file, or gs://bucket/object.")
    return Source(path.name, lambda: _file_chunks(path))


def _object_source(address: str, open_bucket: Callable[[str], Objects]) -> Source:
    bucket, _, name = address.removeprefix("gs://").partition("/")
    if not bucket or not name:
        raise InvalidInput("no_data", f"{address!r} names no object. Write gs://bucket/object.")
    objects = open_bucket(f"gs://{bucket}")
    try:
        info = objects.info(name)
    except ObjectNotFound:
        raise InvalidInput("no_data", f"There is no object {address}. Check the bucket and the name.") from None
    return Source(name.rsplit("/", 1)[-1], lambda: objects.stream(name, generation=info.generation))


def _file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
