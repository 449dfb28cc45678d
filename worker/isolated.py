"""`python -m worker.isolated`: handles the messages on standard input as a worker would, and ends; see `isolate.py`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time

import msgspec

from cloud import connect
from cloud.objects import CloudSetupError, TransientError
from worker.core.envelope import Envelope
from worker.isolate import BEGUN, Outcome
from worker.log import configure_logging
from worker.settings import load_settings

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 1.0


def main(*, opener: connect.Opener = connect) -> int:
    """Handle a batch, and tell which of its messages may be acknowledged."""
    from worker.wiring import build_isolated  # noqa: PLC0415 - as the worker's own command

    _end_with_the_worker()
    settings = load_settings(os.environ)
    configure_logging(settings.log_level)
    counts: list[tuple[int, int]] = []
    done: set[int] = set()
    try:
        batch = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Envelope])
        with build_isolated(settings, lambda *both: counts.append(both), opener=opener) as handle:
            _tell(BEGUN)
            done = handle(batch)
    except (CloudSetupError, TransientError) as error:
        # The worker meets the same: the messages are not to blame. Before BEGUN it handles them itself.
        _log.warning("nothing was handled: %s", error)
    _tell(msgspec.json.encode(Outcome(sorted(done), sum(lines for lines, _ in counts), sum(bad for _, bad in counts))))
    return 0


def _tell(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _end_with_the_worker() -> None:
    """Do not outlive the worker, whatever hangs here; leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = os.getppid()

    def look() -> None:
        while os.getppid() == worker:
            time.sleep(_LOOK_EVERY_S)
        os._exit(1)

    threading.Thread(target=look, name="look", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
