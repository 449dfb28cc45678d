"""`reviewmill emulator pubsub`: the embedded Pub/Sub server as a process."""

import argparse
import os
import signal
import sys
from pathlib import Path

DEFAULT_PORT = 8085
"""The port that Google's emulator uses."""

_HIGHEST_PORT = 65_535
_END = frozenset({signal.SIGINT, signal.SIGTERM})


def main(argv: list[str]) -> int:
    """Serve until SIGINT or SIGTERM; returns 0, or 2 for wrong arguments or a port that is taken."""
    arguments = _parser().parse_args(argv)
    # Blocked before any thread exists, so that every thread inherits it and the signals wait for `sigwait`. A handler
    # that sets an event is not enough: a signal just before the main thread blocks leaves it blocked.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, _END)
    try:
        return _serve(arguments.host, arguments.port, arguments.faults)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _serve(host: str, port: int, faults: Path | None) -> int:
    # The client library's types take a second to import: --help answers without them.
    from emulator.pubsub.faults_file import plan_file  # noqa: PLC0415 - see above
    from emulator.pubsub.server import EmbeddedPubSub  # noqa: PLC0415 - see above

    server = EmbeddedPubSub(host, port)
    try:
        if faults is not None:
            plan_file(server.faults, faults)
    except (OSError, ValueError) as error:
        print(f"reviewmill emulator pubsub: --faults {faults}: {error}. Correct the file.", file=sys.stderr)
        return 2
    try:
        server.start()
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        print(
            f"reviewmill emulator pubsub: cannot listen on {host}:{port}: {reason}. "
            "Choose another port with --port, or 0 for a free one.",
            file=sys.stderr,
        )
        return 2
    with server:
        print(f"listening on {server.address}")
        print(f"export PUBSUB_EMULATOR_HOST={server.address}", flush=True)
        signal.sigwait(_END)
    for fault, count in sorted(server.faults.counts().items()):
        print(f"fault {fault}: struck {count} times", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill emulator pubsub",
        description="Run a Pub/Sub server on this machine that the Google Cloud client libraries use unchanged: set "
        "PUBSUB_EMULATOR_HOST to the address that it prints. It keeps everything in memory and forgets it when it "
        "ends (Ctrl-C or SIGTERM). There is no authentication: listen on 127.0.0.1 unless in a container.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port to listen on, 0 for a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--faults", metavar="FILE", type=Path, help="a JSON list of what shall go wrong (docs/faults.md has the fields)"
    )
    return parser


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to {_HIGHEST_PORT})")
    return number
