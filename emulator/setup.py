"""`reviewmill emulator setup`: make topics, subscriptions, buckets and notifications in the emulators; again and again.

Emulators forget everything when they restart, so the job is safe to repeat, and to run twice at once.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from emulator.topology import NotProvisioned, Topology, plan
from worker.settings import InvalidSettings, load_settings

EMULATOR_VARIABLES = ("PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")

_NO_EMULATOR = """reviewmill emulator setup: {missing}, and this command never touches a real project.
  - To set up the local cloud, start it with `reviewmill local` (it runs this step itself), or set both:
    PUBSUB_EMULATOR_HOST=127.0.0.1:8085  STORAGE_EMULATOR_HOST=http://127.0.0.1:9199
  - To set up a real project, use the Terraform in deploy/."""


def main(argv: list[str]) -> int:
    """Run the command; returns 0, 1 when an emulator did not answer or contradicts, 2 for wrong settings."""
    options = _parser().parse_args(argv)
    fault = refusal(os.environ)
    if fault:
        print(fault, file=sys.stderr)
        return 2
    try:
        settings = load_settings(os.environ)
    except InvalidSettings as error:
        print(f"reviewmill emulator setup: {error}", file=sys.stderr)
        return 2
    topology = plan(settings)
    if options.ready_file:
        options.ready_file.unlink(missing_ok=True)  # of an earlier life of this container
    if options.repeat_s is None:
        return 0 if _attempt(topology, options.wait_s, options.ready_file) else 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        _attempt(topology, options.wait_s, options.ready_file)
        time.sleep(options.repeat_s)


def _attempt(topology: Topology, wait_s: float, ready_file: Path | None) -> bool:
    """Set up once and print what was done; keeps `ready_file` there while, and only while, all is set up."""
    # The client libraries take seconds to import: --help and wrong settings answer without them.
    from emulator.provision import provision  # noqa: PLC0415 - see above

    try:
        done = provision(topology, os.environ, wait_s=wait_s)
    except NotProvisioned as error:
        print(f"reviewmill emulator setup: {error}", file=sys.stderr, flush=True)
        if ready_file:
            ready_file.unlink(missing_ok=True)
        return False
    first = not (ready_file and ready_file.exists())
    for line in done:
        if first or not line.endswith(": is there"):
            print(line, flush=True)
    if ready_file:
        ready_file.touch()
    return True


def refusal(environment: Mapping[str, str]) -> str | None:
    """Return why the set-up must not run here, or None when both emulators are named."""
    missing = [name for name in EMULATOR_VARIABLES if not environment.get(name)]
    if not missing:
        return None
    return _NO_EMULATOR.format(missing=" and ".join(missing) + (" is not set" if len(missing) == 1 else " are not set"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill emulator setup",
        description="Create what Reviewmill needs in the Pub/Sub and storage emulators: topics, subscriptions with\n"
        "retries and dead letters, buckets, and the notification that announces uploaded CSVs. Safe to repeat:\n"
        "what exists is kept and, where it differs, brought to the plan. Names come from the settings\n"
        "(REVIEWMILL_… variables).",
        epilog="example:\n  PUBSUB_EMULATOR_HOST=127.0.0.1:8085 STORAGE_EMULATOR_HOST=http://127.0.0.1:9199 \\\n"
        "    reviewmill emulator setup",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--wait-s",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long to wait for emulators that are still starting (default: 60)",
    )
    parser.add_argument(
        "--repeat-s",
        type=_seconds,
        metavar="SECONDS",
        help="stay, and set up again so often: emulators forget everything when they restart",
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="a file that is there while all is set up, for a container's health check",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour; also refuses NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and up to 3600")
    return seconds
