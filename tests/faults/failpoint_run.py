"""One run with one failpoint: a worker that meets it, and a supervisor that starts the worker again."""

from __future__ import annotations

import json
import os
import time
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from cloud.connect import open_objects, open_subscription
from emulator.provision import provision
from emulator.storage.faults import Delay, Reset, Status
from emulator.topology import kept, plan
from tests.faults.failpoint_cloud import Cloud, csv_file
from tests.faults.failpoints import FAILPOINTS, Action, Weather
from tests.faults.fork_server import Order
from tests.faults.ledger import Ledger, Verdict
from tests.faults.wire import Wire
from tests.runs import without_run
from worker.core.naming import job_id, job_object
from worker.settings import describe_settings, load_settings

PATIENCE_S = 90.0

STILL_S = 3.0
"""The supervisor kills a worker from which nothing came for so long."""

_OWN = {
    variable: default
    for variable, default, _ in describe_settings()
    if variable.endswith(("_UPLOADS", "_RESULTS", "_TOPIC", "_SUBSCRIPTION"))
}
"""Variables of what a run has for itself, with the names that get its mark."""

_TIMED = ("attempts/", "spec.json", "manifest.json")
_WATCHDOG_SPEAKS = "has not moved for"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is there when a run has ended."""

    verdict: Verdict
    job: dict[str, bytes]
    """What it made of the file, by name: all but attempts, spec and manifest, which hold times. Without its ids."""
    completions: list[str]
    """The states that were announced; one at least."""
    too_early: list[str]
    """Messages that were acknowledged before their outcome was stored."""
    reached: bool
    starts: int
    by_watchdog: bool
    """Whether a worker's own watchdog saw it hang."""


class Run:
    """One run, with buckets, topics and subscriptions of its own."""

    def __init__(self, cloud: Cloud, folder: Path, planted: tuple[str, Action] | None) -> None:
        self._cloud = cloud
        self._planted = planted
        self._place = FAILPOINTS[planted[0]] if planted else None
        self._refused = self._place is not None and self._place.weather == "refused"
        self._hang = planted is not None and planted[1] == "hang"
        self._folder, self._reached = folder, folder / "reached"
        self._mark = uuid4().hex[:8]
        self._names = {variable: f"{name}-{self._mark}" for variable, name in _OWN.items()}
        self._settings = settings = load_settings(self._names)
        topology = plan(settings)
        # What is given back comes at once; leases of dead workers are ended by the supervisor.
        subscriptions = tuple(
            replace(one, min_backoff_s=0, max_backoff_s=0, max_attempts=100) for one in topology.subscriptions
        )
        provision(replace(topology, subscriptions=subscriptions), os.environ, wait_s=60)
        self._wire = cloud.wire = Wire(
            settings.results.removeprefix("gs://"), settings.reviews_subscription, settings.uploads_subscription
        )
        cloud.notified = set()
        self._generation = ""
        self._starts = 0
        self._armed = False
        self._by_watchdog = False
        self._seen: tuple[object, ...] = ()
        self._moved_at = time.monotonic()

    def go(self) -> Outcome:
        """Have the messages scored, then a CSV, whatever the failpoint does to the worker; return what is there."""
        ledger = Ledger()
        try:
            self._messages(ledger)
            job = self._csv()
        finally:
            self._cloud.fork_server.kill()
            self._cloud.storage.faults.clear()
        return self._outcome(ledger, job)

    def _messages(self, ledger: Ledger) -> None:
        self._weather()
        topic = f"projects/{self._settings.project}/topics/{self._settings.reviews_topic}"
        sent = set()
        for data, accepted in self._cloud.load.messages:
            ledger.accept(accepted)
            sent.add(self._cloud.pubsub.publish(topic, data, {"enqueued_at": self._cloud.load.stamp}))
        self._supervise_until_acknowledged(sent)

    def _csv(self) -> str:
        if self._place is not None and self._place.weather == "slow":
            self._cloud.storage.faults.inject(Delay(0.4), method="POST", path=self._bucket, count=12)
        with closing(open_objects(self._settings.uploads)) as uploads:
            info = uploads.put("reviews.csv", csv_file(), content_type="text/csv", if_generation=0)
        self._generation = str(info.generation)
        assert self._cloud.storage.wait_for_events()
        self._supervise_until_acknowledged(self._cloud.notified)
        return job_id(self._settings.uploads.removeprefix("gs://"), "reviews.csv", info.generation)

    def _weather(self) -> None:
        weather: Weather = self._place.weather if self._place else "fair"
        faults = self._cloud.storage.faults
        if weather == "lost answer":
            faults.inject(Reset(), method="POST", path=self._bucket, phase="after", count=2)
        elif weather == "refused":
            faults.inject(Status(503), method="POST", path=self._bucket, count=None)

    @property
    def _bucket(self) -> str:
        return self._settings.results.removeprefix("gs://")

    def _supervise_until_acknowledged(self, messages: set[str]) -> None:
        """Start the worker whenever it does not run, and end it when it hangs, until all messages are acknowledged."""
        deadline = time.monotonic() + PATIENCE_S
        while not messages <= self._wire.messages or self._watchdog_is_due():
            assert time.monotonic() < deadline, f"not done in time\n{self._printed()}"
            if self._cloud.fork_server.ended():
                self._start()
            elif self._hangs():
                self._cloud.fork_server.kill()
            if self._refused and self._reached.exists():
                self._cloud.storage.faults.clear()
            time.sleep(0.01)

    def _start(self) -> None:
        if self._starts:
            self._end_leases()
        self._starts += 1
        self._moved_at = time.monotonic()
        self._armed = not self._reached.exists()
        name, action = self._planted or ("", "exit")
        order = Order(self._environment(), str(self._log()), name, action, str(self._reached))
        self._cloud.fork_server.start(order)

    def _end_leases(self) -> None:
        """Have everything delivered again that a dead worker held: a seek to before the run, instead of waiting."""
        for name in (self._settings.reviews_subscription, self._settings.uploads_subscription):
            path = f"projects/{self._settings.project}/subscriptions/{name}"
            self._cloud.subscriber.seek(request={"subscription": path, "time": datetime(2026, 1, 1, tzinfo=UTC)})

    def _hangs(self) -> bool:
        printed = self._printed()
        seen = (printed, self._wire.commits, len(self._wire.messages))
        if seen != self._seen:
            self._seen, self._moved_at = seen, time.monotonic()
        if self._hang and self._armed and self._reached.exists() and _WATCHDOG_SPEAKS in printed:
            self._by_watchdog = True  # that was to be seen: the seconds of its drain can be spared
            return True
        return not self._watchdog_is_due() and time.monotonic() - self._moved_at > STILL_S

    def _watchdog_is_due(self) -> bool:
        """Say whether a worker hangs where its own watchdog must see it, and has not yet."""
        watched = self._hang and self._place is not None and self._place.watched
        return watched and self._reached.exists() and not self._by_watchdog

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self._names,
            "REVIEWMILL_CHUNK_ROWS": "20",
            "REVIEWMILL_MODEL_CHECK_S": "0",
            "REVIEWMILL_THREADS": "1",
            "REVIEWMILL_STORAGE_TIMEOUT_S": "0.5" if self._refused else "8",
            # What is refused is to be given back, and not kept.
            "REVIEWMILL_OUTAGE_S": "0" if self._refused else "600",
            "REVIEWMILL_WATCHDOG_S": "1" if self._hang else "300",
        }

    def _outcome(self, ledger: Ledger, job: str) -> Outcome:
        folder = job_object(job, "")
        with closing(open_objects(self._settings.results)) as results:
            stored = {info.name: results.get(info.name)[0] for info in results.listing("")}
        for name, data in stored.items():
            if name.startswith(("reviews/", "rejections/")):
                ledger.stored(name, data)
        with closing(open_subscription(self._settings.project, kept(self._settings.completions_topic))) as completions:
            announced = [json.loads(message.data) for message in completions.pull(10, timeout_s=10)]
        assert {one["job"] for one in announced} == {job}
        of_job = {name.removeprefix(folder): data for name, data in stored.items() if name.startswith(folder)}
        return Outcome(
            verdict=ledger.verdict(),
            job={
                name: self._plain(data, job)
                for name, data in without_run(of_job).items()
                if not name.startswith(_TIMED)
            },
            completions=[one["state"] for one in announced],
            too_early=self._wire.too_early,
            reached=self._reached.exists(),
            starts=self._starts,
            by_watchdog=self._by_watchdog,
        )

    def _plain(self, data: bytes, job: str) -> bytes:
        """Return the data of a job's object without what differs from one upload of the file to the next."""
        for mark in (job, self._mark, self._generation):
            data = data.replace(mark.encode(), b"*")
        return data

    def _printed(self) -> str:
        """Return what the current worker has printed."""
        return self._log().read_text() if self._log().exists() else ""

    def _log(self) -> Path:
        return self._folder / f"worker-{self._starts}.log"
