"""`reviewmill local`: the whole local cloud in one terminal, until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cloud.objects import CloudSetupError
from emulator.processes import ChildFailed, say
from emulator.signals import interruptible, killing_on_signal
from emulator.stack import PROJECT, LocalCloud, NotInstalled
from emulator.topology import NotProvisioned
from worker.settings import Settings, load_settings

SAMPLE = Path(__file__).resolve().parent.parent / "training" / "data" / "sentiment_sentences.csv"
LOCK = "lock"
"""A file in the folder, locked while a local cloud runs there."""

_LOOK_EVERY_S = 0.2
_TRAIN_S = 600.0
_DESCRIPTION = """\
Start the whole local cloud: a Pub/Sub server, a storage server, the topics, subscriptions, buckets and notifications
that Reviewmill needs, and a worker. It prints the variables that point other terminals at it, and runs until Ctrl-C
or SIGTERM, which end everything in order. Objects and logs stay in the folder; messages are forgotten.
"""
_EPILOG = """\
examples:
  reviewmill local --train                     a complete local cloud with classifiers trained on the sample
  reviewmill local --folder ./cloud            then, in another terminal: source ./cloud/env.sh
  reviewmill local --pubsub official           with Google's own Pub/Sub emulator, where it is installed
"""


def main(argv: list[str]) -> int:
    """Run until interrupted; returns 0 then, 1 when a part failed, 2 for wrong use."""
    options = _parser().parse_args(argv)
    try:
        settings = load_settings({**os.environ, "GOOGLE_CLOUD_PROJECT": PROJECT})
        options.folder.mkdir(parents=True, exist_ok=True)
        with only_one(options.folder), interruptible():
            return _run(options, settings)
    except (ValueError, NotInstalled, OSError) as error:  # InvalidSettings is a ValueError
        say(f"reviewmill local: {error}")
        return 2
    except KeyboardInterrupt:
        return 0


def _run(options: argparse.Namespace, settings: Settings) -> int:
    cloud = LocalCloud(options.folder, os.environ, say)
    env_file: Path = options.env_file or options.folder / "env.sh"
    try:
        cloud.start(
            settings,
            official=options.pubsub == "official",
            pubsub_port=options.pubsub_port,
            storage_port=options.storage_port,
        )
        _announce(cloud, env_file)
        if options.train:
            say("training the classifiers on the sample")
            cloud.run("train", "train", str(SAMPLE), timeout_s=_TRAIN_S)
        _serve(cloud, settings, 0 if options.no_worker else options.workers)
    except (ChildFailed, NotProvisioned, CloudSetupError) as error:
        say(f"reviewmill local: {error}")
        return 1
    finally:
        say("ending")
        with killing_on_signal(cloud.kill_from_handler):
            cloud.stop()
        env_file.unlink(missing_ok=True)
        say("ended")


def _serve(cloud: LocalCloud, settings: Settings, workers: int) -> NoReturn:
    """Look after everything for ever; the workers start when the default classifier is there."""
    if workers and not cloud.has_models(settings):
        say("no classifiers yet: a worker starts when there are some. To train them, in another terminal, after the")
        say(f"line above: reviewmill train {SAMPLE}")
    say("ready; Ctrl-C ends it")
    waiting = workers
    while True:
        if waiting and cloud.has_models(settings):
            cloud.start_workers(waiting)
            waiting = 0
        cloud.look_after()
        time.sleep(_LOOK_EVERY_S)


def _announce(cloud: LocalCloud, env_file: Path) -> None:
    """Print the variables, and put them where another terminal can read them once they are whole."""
    text = "\n".join(cloud.exports()) + "\n"
    partial = env_file.with_name(env_file.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(env_file)
    print(text, end="", flush=True)
    say(f"in other terminals: source {shlex.quote(str(env_file))}")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; two local clouds would write into the same buckets. The kernel ends it with us."""
    with (folder / LOCK).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(
                f"another local cloud runs in {folder}. End it (Ctrl-C in its terminal), or choose --folder."
            ) from None
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill local",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--pubsub",
        choices=("embedded", "official"),
        default="embedded",
        help="the Pub/Sub server: ours, or Google's emulator, which needs Java (default: %(default)s)",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("out/local"),
        help="where objects, logs and env.sh are kept (default: %(default)s)",
    )
    parser.add_argument("--env-file", type=Path, metavar="FILE", help="the variables' file (default: FOLDER/env.sh)")
    parser.add_argument("--workers", type=_count(1, 64), default=1, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--no-worker", action="store_true", help="start no worker: run `reviewmill worker` yourself")
    parser.add_argument("--train", action="store_true", help="train the three classifiers on the sample at the start")
    for server in ("pubsub", "storage"):
        parser.add_argument(
            f"--{server}-port",
            type=_count(0, 65_535),
            default=0,
            metavar="PORT",
            help=f"the {server} server's port on 127.0.0.1 (default: 0, a free one)",
        )
    return parser


def _count(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return number

    return parse
