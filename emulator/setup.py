"""`reviewmill emulator setup`: make topics, subscriptions, buckets and notifications in the emulators; again and again.

Emulators forget everything when they restart, so the job is safe to repeat, and to run twice at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping

from emulator.topology import plan
from worker.settings import InvalidSettings, load_settings

EMULATOR_VARIABLES = ("PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")

_NO_EMULATOR = """reviewmill emulator setup: {missing} is not set, and this command never touches a real project.
  - To set up the local cloud, start it with `reviewmill local` (it runs this step itself), or set the variable:
    PUBSUB_EMULATOR_HOST=127.0.0.1:8085  STORAGE_EMULATOR_HOST=http://127.0.0.1:9023
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
    # The client libraries take seconds to import: --help and wrong settings answer without them.
    from emulator.provision import NotProvisioned, provision  # noqa: PLC0415 - see above

    try:
        done = provision(plan(settings), os.environ, wait_s=options.wait_s)
    except NotProvisioned as error:
        print(f"reviewmill emulator setup: {error}", file=sys.stderr)
        return 1
    for line in done:
        print(line)
    return 0


def refusal(environment: Mapping[str, str]) -> str | None:
    """Return why the set-up must not run here, or None when both emulators are named."""
    missing = [name for name in EMULATOR_VARIABLES if not environment.get(name)]
    return _NO_EMULATOR.format(missing=" and ".join(missing)) if missing else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill emulator setup",
        description="Create what Reviewmill needs in the Pub/Sub and storage emulators: topics, subscriptions with "
        "retries and dead letters, buckets, and the notification that announces uploaded CSVs. Safe to repeat: "
        "what exists is kept and, where it differs, brought to the plan. Names come from the settings "
        "(REVIEWMILL_… variables).",
        epilog="example:\n  PUBSUB_EMULATOR_HOST=127.0.0.1:8085 STORAGE_EMULATOR_HOST=http://127.0.0.1:9023 \\\n"
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
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour; also refuses NaN
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0 and up to 3600")
    return seconds
