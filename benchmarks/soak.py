"""One worker under constant load and faults for as long as asked: does it grow, and does it lose a row? `make soak`.

Both servers run here, with every fault of `make test-faults` and an outage of storage each minute; the worker is a
process of its own. Every two seconds its resident memory, file descriptors and threads are read from /proc (Linux
only). After the warm-up, a quarter of the time and two minutes at most, the trend of each (Theil and Sen's, which
spikes do not move) must stay below its bound. Ctrl-C ends the load early; the verdict is about what there was by then.
Results are kept on disk until the end: about 25 MB a minute.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import machine_line, print_table, write_json
from benchmarks.soak_judge import Sample, Trend, sample, trends
from benchmarks.soak_load import Account, Sender
from cloud.connect import open_objects
from emulator.processes import Child, reviewmill
from emulator.provision import provision
from emulator.pubsub.server import EmbeddedPubSub
from emulator.storage.faults import Status
from emulator.storage.notifications import Change
from emulator.storage.server import EmbeddedStorage
from emulator.topology import plan
from tests.faults.load import Load, make_load
from tests.faults.plan import plan_faults, struck
from training.command import main as train
from worker.models import ModelStore
from worker.settings import Settings

SAMPLE_EVERY_S = 2.0
OUTAGE_EVERY_S, OUTAGE_S = 60.0, 5.0
DRAIN_S = 180.0
STOP_S = 10.0
LONGEST_WARM_UP_S = 120.0
_TEXTS = 1_500
_MODELS = ("logistic_regression", "linear_svc", "decision_tree")
_ENVIRONMENT = {
    "REVIEWMILL_BATCH_MESSAGES": "100",
    "REVIEWMILL_CHUNK_ROWS": "500",
    "REVIEWMILL_BREAKER_SHARE": "1",
    "REVIEWMILL_LOG_LEVEL": "INFO",
}


class Soak:
    """The servers, the worker, the load; made in a folder, and ended with the stack."""

    def __init__(self, folder: Path, stack: ExitStack, *, per_second: int) -> None:
        self._recording: Account | None = None
        self.settings = Settings()
        self.pubsub = stack.enter_context(EmbeddedPubSub())
        self.storage = stack.enter_context(
            EmbeddedStorage(root=folder / "storage", on_event=self._announce, on_commit=self._committed)
        )
        os.environ.update(_ENVIRONMENT)
        os.environ["PUBSUB_EMULATOR_HOST"] = self.pubsub.address
        os.environ["STORAGE_EMULATOR_HOST"] = self.storage.url
        topology = plan(self.settings)
        # Faults cost more attempts than a production subscription grants.
        subscriptions = tuple(replace(one, max_backoff_s=2, max_attempts=100) for one in topology.subscriptions)
        provision(replace(topology, subscriptions=subscriptions), os.environ, wait_s=60)
        if train([]) != 0:
            raise RuntimeError("training failed; its output says why")
        load = _load(self.settings)
        self.account = self._recording = Account(self.settings.results.removeprefix("gs://"), load)
        self.sender = Sender(self.settings, load, self.account, per_second=per_second)
        self.worker = Child("worker", reviewmill("worker"), log=folder / "worker.log", environment=os.environ)
        stack.callback(self.worker.kill)
        self.worker.wait_for("ready: pulling", timeout_s=60)

    def run(self, seconds: float) -> list[Sample]:
        """Work under load for so long, or until Ctrl-C or the worker's end; return the samples."""
        samples: list[Sample] = []
        began = time.monotonic()
        next_outage = began + OUTAGE_EVERY_S / 2
        plan_faults(self.storage, self.pubsub)
        self.sender.start()
        try:
            while (now := time.monotonic()) < began + seconds and self.worker.ended() is None:
                if now >= next_outage:
                    next_outage = now + OUTAGE_EVERY_S
                    self.storage.faults.inject(Status(503), seconds=OUTAGE_S, count=None, name="outage of storage")
                if (taken := sample(self.worker.pid, now - began)) is not None:
                    samples.append(taken)
                    self._tell(taken)
                time.sleep(SAMPLE_EVERY_S)
        except KeyboardInterrupt:
            print("\ninterrupted: ending the load", file=sys.stderr)
        return samples

    def finish(self) -> bool:
        """End load and faults, wait until every row has an outcome, stop the worker; say whether it stopped well."""
        self.storage.faults.clear()
        self.pubsub.faults.clear()
        self.sender.stop()
        deadline = time.monotonic() + DRAIN_S
        while self.account.lost() and time.monotonic() < deadline and self.worker.ended() is None:
            time.sleep(0.2)
        stopped = self.worker.ended() is None and self.worker.stop(timeout_s=STOP_S)
        if not stopped:
            print(self.worker.failure("did not live and stop as it should"), file=sys.stderr)
        return stopped

    def _tell(self, taken: Sample) -> None:
        print(
            f"\r{taken.at_s:6.0f} s  {taken.memory_mb:6.1f} MB  {taken.descriptors:4} descriptors  "
            f"{taken.threads:3} threads  {self.account.stored:,} of {self.account.accepted:,} messages  "
            f"{len(self.account.finished)} of {self.account.files} files ",
            end="",
            file=sys.stderr,
            flush=True,
        )

    def _committed(self, change: Change) -> None:
        if self._recording is not None:
            self._recording.committed(change)

    def _announce(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        self.pubsub.publish(topic, data, attributes)


@dataclass(frozen=True, slots=True)
class Findings:
    """What there is at the end."""

    samples: list[Sample]
    account: Account
    stopped: bool
    faults: int

    @property
    def warm_up_s(self) -> float:
        """The time that the trends leave out."""
        return min(LONGEST_WARM_UP_S, self.samples[-1].at_s / 4) if self.samples else 0.0

    def missed(self, found: list[Trend]) -> list[str]:
        """Return what is not as it should be, each a sentence."""
        missed = [f"{one.name}: trend {one.rise:+.1f}, allowed {one.allowed:+.1f}" for one in found if not one.flat]
        missed += [f"rows {name}: {count:,}" for name, count in self.account.faults().items() if count]
        missed += [] if self.stopped else ["the worker did not live to the end, or did not stop in time"]
        return missed + ([] if found else ["too short to judge whether it grows: run it for three minutes or more"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print a table and a verdict; 0 when all is flat and no row is lost, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long (default: 10)")
    parser.add_argument("--per-second", type=int, default=300, help="messages published a second (default: 300)")
    options = parser.parse_args(argv)
    try:
        return report(soak(60 * options.minutes, per_second=options.per_second))
    except KeyboardInterrupt:
        print("\ninterrupted before there was anything to judge", file=sys.stderr)
        return 130


def soak(seconds: float, *, per_second: int) -> Findings:
    """Start everything, work under load, end everything."""
    print(machine_line())
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = Soak(Path(folder), stack, per_second=per_second)
        samples = running.run(seconds)
        stopped = running.finish()
        return Findings(samples, running.account, stopped, struck(running.storage, running.pubsub).total())


def report(findings: Findings) -> int:
    """Print the trends, the account and the verdict; return the exit status."""
    found = trends(findings.samples, warm_up_s=findings.warm_up_s)
    minutes = findings.samples[-1].at_s / 60 if findings.samples else 0.0
    print_table(
        f"{minutes:.1f} minutes, the first {findings.warm_up_s:.0f} s of them warm-up",
        ["", "first", "median", "highest", "last", "trend", "allowed", ""],
        [
            [
                one.name,
                *(f"{figure:,.1f}" for figure in (one.first, one.median, one.highest, one.last)),
                *(f"{figure:+.1f}" for figure in (one.rise, one.allowed)),
                "flat" if one.flat else "RISES",
            ]
            for one in found
        ],
    )
    account = findings.account
    counts = ", ".join(f"{name} {count:,}" for name, count in account.faults().items())
    print(
        f"\n{account.accepted:,} messages and {account.files:,} CSV files under {findings.faults:,} faults: {counts}; "
        f"stored more than once {account.repeated:,}"
    )
    samples = [asdict(one) for one in findings.samples]
    write_json("soak", {"samples": samples, "trends": [asdict(one) for one in found]})
    missed = findings.missed(found)
    print("\n" + ("\n".join(f"missed: {one}" for one in missed) or "flat, and every row is accounted for"))
    return 1 if missed else 0


def _load(settings: Settings) -> Load:
    with closing(open_objects(settings.models)) as objects:
        store = ModelStore(objects, check_every_s=60, now=time.monotonic)
        models = {name: store.resolve(name, None) for name in _MODELS}
        return make_load(_TEXTS, _TEXTS, models, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


if __name__ == "__main__":
    sys.exit(main())
