"""`reviewmill emulator storage`: the embedded storage server as a process of its own."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.storage.faults_file import inject_file
from emulator.storage.persistence import FolderError
from emulator.storage.server import EmbeddedStorage

if TYPE_CHECKING:
    from emulator.storage.publishing import PubSubPublisher

DEFAULT_PORT = 9199
# A stopping server spends this long on notifications, so that it has ended within a second.
DRAIN_S = 0.3

_DESCRIPTION = """\
Run a Cloud Storage server on this machine, for tests and for trying things out. The Cloud Storage client libraries
use it when STORAGE_EMULATOR_HOST holds its address. It runs until Ctrl-C or SIGTERM.
"""
_EPILOG = """\
examples:
  reviewmill emulator storage                                 everything in memory, gone at the end
  reviewmill emulator storage --folder ./buckets              kept in a folder, there again after a restart
  reviewmill emulator storage --pubsub 127.0.0.1:8085         bucket notifications go to that Pub/Sub emulator
"""


def main(argv: list[str]) -> int:
    """Serve until SIGINT or SIGTERM. Returns 0 then, and 2 when the port or the folder cannot be used."""
    arguments = _parser().parse_args(argv)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    publisher = _publisher(arguments.pubsub)
    try:
        storage = EmbeddedStorage(arguments.host, arguments.port, arguments.folder, publisher)
    except (OSError, OverflowError, FolderError) as error:
        sys.stderr.write(f"reviewmill emulator storage: {_cause_and_fix(error, arguments.host, arguments.port)}\n")
        return 2
    try:
        if arguments.faults is not None:
            inject_file(storage.faults, arguments.faults)
    except (OSError, ValueError) as error:
        storage.stop()
        sys.stderr.write(f"reviewmill emulator storage: --faults {arguments.faults}: {error}. Correct the file.\n")
        return 2
    storage.start()
    _announce(storage.url, arguments.folder, arguments.pubsub)
    stopped.wait()
    storage.stop_serving()
    storage.wait_for_events(DRAIN_S)
    if publisher is not None:
        publisher.close()
    storage.stop(drain_s=DRAIN_S)
    for fault, count in sorted(storage.faults.fired().items()):
        sys.stderr.write(f"fault {fault}: struck {count} times\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill emulator storage",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="the port to listen on; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument("--folder", type=Path, help="keep buckets and objects in this folder (default: in memory)")
    parser.add_argument(
        "--pubsub",
        metavar="HOST:PORT",
        default=os.environ.get("PUBSUB_EMULATOR_HOST") or None,
        help="the Pub/Sub emulator that receives bucket notifications (default: PUBSUB_EMULATOR_HOST, if set)",
    )
    parser.add_argument(
        "--faults", metavar="FILE", type=Path, help="a JSON list of what shall go wrong (docs/faults.md has the fields)"
    )
    return parser


def _publisher(target: str | None) -> PubSubPublisher | None:
    if target is None:
        return None
    # The Pub/Sub client takes about a second to import: only who needs it waits.
    from emulator.storage.publishing import PubSubPublisher  # noqa: PLC0415 - the reason is above

    return PubSubPublisher(target)


def _announce(url: str, folder: Path | None, pubsub: str | None) -> None:
    """Tell where the server is and what clients need; programs wait for the first line."""
    reachable = url.replace("//0.0.0.0:", "//127.0.0.1:")
    lines = (
        f"listening on {url}",
        f"export STORAGE_EMULATOR_HOST={reachable}",
        f"objects are kept in {folder if folder is not None else 'memory'}",
        f"bucket notifications go to {pubsub}" if pubsub else "bucket notifications are dropped (see --pubsub)",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _cause_and_fix(error: Exception, host: str, port: int) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is taken, perhaps by a storage server that still runs. "
            f"Stop that program, or choose another port, for instance --port {port + 1}."
        )
    if isinstance(error, FolderError):
        return str(error)
    return f"cannot listen on {host}, port {port}: {error}. Choose others with --host and --port."
