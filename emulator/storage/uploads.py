"""Resumable uploads: sessions that collect an object over several requests and survive broken connections.

Protocol: https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

from __future__ import annotations

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

from emulator.storage.content import Checksums, ContentWriter
from emulator.storage.errors import StorageError, bad_request, not_found
from emulator.storage.preconditions import Preconditions
from emulator.storage.records import ObjectRecord, Settings
from emulator.storage.store import Draft, Store

# Finished sessions are remembered for clients whose last response was lost.
MAX_FINISHED_SESSIONS = 1000

_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload shall become, and under which conditions."""

    bucket: str
    name: str
    settings: Settings
    when: Preconditions
    expected: Checksums


@dataclass(frozen=True, slots=True)
class ContentRange:
    """A Content-Range of an upload: the bytes sent (None: only a question), the whole size (None: not yet known)."""

    start: int | None
    stop: int | None
    total: int | None

    @classmethod
    def parse(cls, header: str | None) -> ContentRange:
        """Read the header; without one the body is the whole object. StorageError 400 when malformed."""
        if header is None:
            return cls(0, None, None)
        match = _CONTENT_RANGE.fullmatch(header.strip())
        if match is None:
            raise bad_request(f"Invalid Content-Range: {header!r}")
        first, last, total = match.groups()
        size = None if total == "*" else int(total)
        if first is None:
            return cls(None, None, size)
        if int(last) < int(first) or (size is not None and int(last) >= size):
            raise bad_request(f"Invalid Content-Range: {header!r}")
        return cls(int(first), int(last) + 1, size)


class Session:
    """One resumable upload. Requests may overlap when a client gave one up: bytes are only taken in order."""

    def __init__(self, store: Store, upload: Upload) -> None:
        self.upload = upload
        self.outcome: ObjectRecord | StorageError | None = None
        self._store = store
        self._writer = store.writer()
        self._lock = threading.Lock()

    @property
    def received(self) -> int:
        """How many bytes have been kept."""
        return self._writer.size

    def take(self, chunks: Iterable[bytes], start: int) -> int:
        """Keep the bytes that begin at `start`, skip those that are known, and return the position after them.

        StorageError 503 when `start` leaves a gap, as Cloud Storage answers.
        """
        position = start
        for chunk in chunks:
            with self._lock:
                if self.outcome is None:
                    self._append(self._writer, chunk, position)
            position += len(chunk)
        return position

    def finish(self, expected: Checksums) -> ObjectRecord:
        """Commit what was received; again for a client that repeats its last request: the same outcome."""
        with self._lock:
            if self.outcome is None:
                try:
                    self.outcome = self._commit(expected)
                except StorageError as error:
                    self.outcome = error
        if isinstance(self.outcome, StorageError):
            raise self.outcome
        return self.outcome

    def discard(self) -> None:
        """Forget what was received, unless it was committed; requests that are still sending take no effect."""
        with self._lock:
            self.outcome = self.outcome or not_found("The upload was cancelled.")
            self._writer.discard()

    def _append(self, writer: ContentWriter, chunk: bytes, position: int) -> None:
        if position > writer.size:
            message = (
                f"Invalid request. According to the Content-Range header, the upload offset is {position} byte(s), "
                f"which exceeds already uploaded size of {writer.size} byte(s)."
            )
            raise StorageError(HTTPStatus.SERVICE_UNAVAILABLE, "backendError", message)
        known = writer.size - position
        if known < len(chunk):
            writer.write(chunk[known:])

    def _commit(self, expected: Checksums) -> ObjectRecord:
        upload = self.upload
        content = self._writer.finish()
        both = Checksums(expected.crc32c or upload.expected.crc32c, expected.md5 or upload.expected.md5)
        return self._store.commit(Draft(upload.bucket, upload.name, content, upload.settings), upload.when, both)


class Sessions:
    """The open and the lately finished resumable uploads of one server. They do not survive its end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._open: dict[str, Session] = {}
        self._finished: OrderedDict[str, Session] = OrderedDict()

    def start(self, upload: Upload) -> str:
        """Begin a session and return its id; StorageError when the object could not be written now."""
        self._store.check_destination(upload.bucket, upload.name, upload.when)
        session_id = uuid.uuid4().hex
        with self._lock:
            self._open[session_id] = Session(self._store, upload)
        return session_id

    def get(self, session_id: str) -> Session:
        """Return a session; StorageError 404."""
        with self._lock:
            session = self._open.get(session_id) or self._finished.get(session_id)
        if session is None:
            raise not_found(f"No such upload session: {session_id}")
        return session

    def put_away(self, session_id: str) -> None:
        """Move a session that has its outcome to the finished ones, the oldest of which is forgotten."""
        with self._lock:
            session = self._open.pop(session_id, None)
            if session is not None:
                self._finished[session_id] = session
            while len(self._finished) > MAX_FINISHED_SESSIONS:
                self._finished.popitem(last=False)

    def cancel(self, session_id: str) -> None:
        """Forget a session and what it received; StorageError 404."""
        session = self.get(session_id)
        with self._lock:
            self._open.pop(session_id, None)
            self._finished.pop(session_id, None)
        session.discard()

    def close(self) -> None:
        """Forget every open session."""
        with self._lock:
            sessions = tuple(self._open.values())
            self._open.clear()
        for session in sessions:
            session.discard()
