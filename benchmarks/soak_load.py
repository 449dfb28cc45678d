"""A constant load of messages and CSV files, and the account of every row, in memory that grows by a byte a message."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future
from contextlib import closing
from datetime import UTC, datetime

from cloud.connect import open_objects, open_topic
from cloud.objects import TransientError
from cloud.once import put_once
from emulator.storage.notifications import FINALIZE, Change
from schemas.codec import decode
from schemas.errors import InvalidInput
from schemas.jobs import JobManifest
from schemas.outcomes import Prediction, Rejection
from tests.faults.ledger import Answer, answer_of
from tests.faults.load import Load
from worker.settings import Settings

_TICK_S = 0.1
_CSV_EVERY_S = 15.0
_ANSWER_S = 120.0
_MAX_LINE_BYTES = 100_000
_MAX_MANIFEST_BYTES = 8_000_000


class Account:
    """Counts the stored rows of messages, and the finished jobs, as the server sees them. Safe to use from any thread.

    Message number n is the load's message n modulo its length, under a key of its own.
    """

    def __init__(self, results_bucket: str, load: Load) -> None:
        self._bucket = results_bucket
        self._right: list[tuple[Answer, str]] = [(one.answer, one.text_sha256) for _, one in load.messages]
        self._rows_of_file = len(load.labels)
        self._lock = threading.Lock()
        self._seen = bytearray()
        self.accepted = 0
        self.stored = 0
        """Messages with an outcome."""
        self.repeated = 0
        self.unexpected = 0
        self.wrong = 0
        self.files = 0
        self.finished: set[str] = set()
        self._predictions: set[str] = set()

    def accept(self) -> int:
        """Write the next message down, before it is sent; return its number."""
        with self._lock:
            self._seen.append(0)
            self.accepted += 1
            return self.accepted - 1

    def committed(self, change: Change) -> None:
        """Take in a stored object; runs on the server's threads."""
        record = change.record
        if record.bucket != self._bucket or change.event_type != FINALIZE:
            return
        kind = record.name.partition("/")[0]
        if kind not in {"reviews", "rejections"} and not record.name.endswith("/manifest.json"):
            return
        reader = record.content.data.open()
        data = b"".join(reader.chunks(0, record.content.size))
        reader.close()
        with self._lock:
            if kind == "jobs":
                self._job(record.name, data)
            else:
                for line in data.splitlines():
                    self._row(line, Prediction if kind == "reviews" else Rejection)

    def lost(self) -> int:
        """Return how many accepted messages have no outcome yet, and how many files no finished job."""
        with self._lock:
            return self.accepted - self.stored + self.files - len(self.finished)

    def faults(self) -> dict[str, int]:
        """Return the counts that must be zero when all is done."""
        # Jobs over the same file have the same predictions, to the byte.
        different = max(len(self._predictions) - 1, 0)
        return {"lost": self.lost(), "unexpected": self.unexpected, "wrong": self.wrong + different}

    def _row(self, line: bytes, kind: type[Prediction | Rejection]) -> None:
        try:
            row = decode(line, kind, max_bytes=_MAX_LINE_BYTES)
            number = int(row.key.removeprefix("s"))
        except (InvalidInput, ValueError):
            self.unexpected += 1
            return
        if not 0 <= number < self.accepted:
            self.unexpected += 1
            return
        answer, digest = self._right[number % len(self._right)]
        self.wrong += answer_of(row) != answer or row.text_sha256 not in {None, digest}
        if self._seen[number]:
            self.repeated += 1
        else:
            self._seen[number] = 1
            self.stored += 1

    def _job(self, name: str, data: bytes) -> None:
        manifest = decode(data, JobManifest, max_bytes=_MAX_MANIFEST_BYTES)
        self.finished.add(name)
        self.wrong += manifest.state != "done" or manifest.counts.predictions != self._rows_of_file
        self._predictions |= {one.crc32c for one in manifest.objects if one.name.endswith("/predictions.csv")}


class Sender:
    """Publishes so many messages a second, and a CSV now and then, on a thread of its own until it is stopped."""

    def __init__(self, settings: Settings, load: Load, account: Account, *, per_second: int) -> None:
        self._settings = settings
        self._load = load
        self._account = account
        self._a_tick = max(1, round(per_second * _TICK_S))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and wait until what was sent is accepted."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        next_file = time.monotonic()
        with closing(open_topic(self._settings.project, self._settings.reviews_topic)) as topic:
            while not self._stop.is_set():
                tick_ends = time.monotonic() + _TICK_S
                waiting = [self._message() for _ in range(self._a_tick)]
                stamp = {"enqueued_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
                while waiting:
                    sent = [(data, topic.publish(data, stamp)) for data in waiting]
                    waiting = [data for data, answer in sent if not _accepted(answer)]
                if time.monotonic() >= next_file:
                    next_file = time.monotonic() + _CSV_EVERY_S
                    self._upload()
                self._stop.wait(max(0.0, tick_ends - time.monotonic()))

    def _message(self) -> bytes:
        number = self._account.accept()
        data, _ = self._load.messages[number % len(self._load.messages)]
        return json.dumps({**json.loads(data), "id": f"s{number}"}).encode()

    def _upload(self) -> None:
        self._account.files += 1
        name = f"reviews-{self._account.files}.csv"
        with closing(open_objects(self._settings.uploads, timeout_s=_ANSWER_S)) as uploads:
            put_once(uploads, name, self._load.file, content_type="text/csv")


def _accepted(answer: Future[str]) -> bool:
    try:
        answer.result(timeout=_ANSWER_S)
    except TransientError:
        return False
    return True
