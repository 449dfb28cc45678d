"""`reviewmill worker`: pulls and scores until stopped."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from types import FrameType

from cloud import connect
from cloud.objects import CloudSetupError, TransientError
from schemas.names import DEFAULT_MODEL, MODEL_NAMES
from worker.allocator import give_back_large_blocks
from worker.guard import Guard
from worker.isolate import COMMAND
from worker.log import configure_logging
from worker.models import ModelMissing, ModelStore
from worker.settings import InvalidSettings, Settings, load_settings
from worker.subscriber import PullWorker

_log = logging.getLogger("reviewmill.worker")

DRAIN_S = 8.5
"""How long a stop may take: below the 10 s between SIGTERM and SIGKILL on Cloud Run."""

_LOOK_EVERY_S = 1.0


def main(argv: list[str], *, opener: connect.Opener = connect, isolated: Sequence[str] = COMMAND) -> int:
    """Run the worker; 0 after a stop, 1 when it had to give up, 2 when it cannot start."""
    _parser().parse_args(argv)
    try:
        settings = load_settings(os.environ)
        configure_logging(settings.log_level)
        connect.require_reachable(os.environ, "pubsub", "storage")
        return _run(settings, opener, isolated)
    except (InvalidSettings, CloudSetupError, TransientError, ValueError) as error:
        print(f"reviewmill worker: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="reviewmill worker",
        description=(
            "Pull review messages and bucket notifications, score them in batches, and store what became of every "
            "row. Runs until SIGTERM or Ctrl-C; then it finishes the batches in work, gives the rest back and exits "
            "with 0. It gives up when too many messages are rejected or when work hangs. Any number of workers can "
            "share the subscriptions. All settings are environment variables; README.md lists them. Exit status: 0 "
            "stopped, 1 gave up while running, 2 could not start."
        ),
        epilog="example: REVIEWMILL_MODELS=gs://my-models GOOGLE_CLOUD_PROJECT=my-project reviewmill worker",
    )


def _run(settings: Settings, opener: connect.Opener, isolated: Sequence[str]) -> int:
    give_back_large_blocks()
    # The client libraries take seconds to import: not for --help.
    from worker.wiring import build_worker  # noqa: PLC0415

    _end_at_once_on_signals()
    for service, address in connect.emulators(os.environ).items():
        _log.warning("using the %s emulator at %s", service, address)
    stop = threading.Event()
    with build_worker(settings, stop, opener=opener, isolated=isolated) as parts:
        _require_models(parts.models)
        _stop_on_signals(stop)
        threads = [
            threading.Thread(target=_pull, args=(pull, stop, parts.guard), name=pull.name, daemon=True)
            for pull in parts.pull_workers
        ]
        for thread in threads:
            thread.start()
        _log.info("ready: pulling from %s", " and ".join(pull.name for pull in parts.pull_workers))
        # In slices: a signal that arrives just before a wait runs its handler only after it.
        looked = time.monotonic()
        while not stop.wait(_LOOK_EVERY_S):
            due, looked = looked + _LOOK_EVERY_S, time.monotonic()
            # While the whole process was paused, as a frozen container is, nothing could move: it gets until next time.
            if looked < due + _LOOK_EVERY_S:
                _look_after(parts.pull_workers, parts.guard, settings.watchdog_s)
        done = _drain(threads) and not any(pull.abandoned for pull in parts.pull_workers)
        for reason in parts.guard.reasons:
            print(f"reviewmill worker: {reason}", file=sys.stderr)
        status = 1 if parts.guard.reasons else 0
        if not done:
            _end_at_once(status)
    return status


def _end_at_once(status: int) -> None:
    """End although a thread hangs in a call, for which an ordinary exit could wait. Nothing of it was acknowledged."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_at_once_on_signals() -> None:
    """Until a message is pulled there is nothing to finish, and loading a model may take longer than a stop may."""

    def on_signal(number: int, _frame: FrameType | None) -> None:
        _log.info("%s: stopped before the first pull", signal.Signals(number).name)
        _end_at_once(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _stop_on_signals(stop: threading.Event) -> None:
    def on_signal(number: int, _frame: FrameType | None) -> None:
        _log.info("%s: finishing the batches in work, giving back the rest", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)


def _require_models(models: ModelStore) -> None:
    """Refuse to start without the default model, or with a model that is not what its manifest says."""
    for name in MODEL_NAMES:
        try:
            model = models.resolve(name, None)
        except ModelMissing as error:
            if name == DEFAULT_MODEL:
                raise
            _log.warning("requests for %s will be given back: %s", name, error)
        else:
            _log.info("serving %s version %s", model.name, model.version)


def _pull(pull: PullWorker, stop: threading.Event, guard: Guard) -> None:
    try:
        pull.run()
    except CloudSetupError as error:
        guard.give_up(str(error))
    except Exception as error:  # noqa: BLE001 - the thread's outermost frame: a worker that does half its work looks healthy
        _log.exception("%s: a fault in the worker", pull.name)
        guard.give_up(f"a fault in the worker ({type(error).__name__}); the log above says where")
    finally:
        stop.set()


def _look_after(pull_workers: Iterable[PullWorker], guard: Guard, watchdog_s: float) -> None:
    """Give up when something that must move does not (the watchdog), so that the platform starts a fresh process."""
    for pull in pull_workers:
        for what, still_s in pull.still().items():
            if still_s > watchdog_s:
                guard.give_up(
                    f"{what} has not moved for {still_s:.0f} s (REVIEWMILL_WATCHDOG_S={watchdog_s:g}); "
                    "what was not done is delivered again"
                )


def _drain(threads: list[threading.Thread]) -> bool:
    """Wait for the batches in work; False when one did not end in time (its messages are delivered again)."""
    deadline = time.monotonic() + DRAIN_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            _log.warning("%s did not finish within %.0f s; its messages will be delivered again", thread.name, DRAIN_S)
    _log.info("stopped")
    return not any(thread.is_alive() for thread in threads)
