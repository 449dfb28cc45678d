"""`reviewmill demo`: the main job on this machine, end to end, through the commands that a user would type."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

from emulator.demo_data import EMPTY_ROWS, MESSAGES, write_files
from emulator.demo_objects import print_objects
from emulator.demo_steps import StepFailed, Steps, show_command, shown
from emulator.local import LOCK, SAMPLE, only_one
from emulator.processes import Child, ChildFailed, reviewmill, say
from emulator.signals import interruptible, killing_on_signal

_MARK = ".made-by-reviewmill-demo"
_READY_S = 120.0
_STOP_S = 25.0
_WAIT_S = "100"
_FIRST_PREDICTIONS = "12"
_DESCRIPTION = f"""\
Run the whole job on this machine, without any account: start a local cloud, train the three classifiers on the
sample that ships, publish {MESSAGES:,} reviews spread over them and the default, score a CSV file through the bucket,
show where everything is, and verify that every row is accounted for. Takes about a minute. Exits with 0 only if every
row is accounted for.
"""
_EPILOG = """\
examples:
  reviewmill demo
  reviewmill demo --pubsub official --folder /tmp/demo      with Google's own Pub/Sub emulator, where it is installed
"""


def main(argv: list[str]) -> int:
    """Run the demo; returns 0 when every row is accounted for, 1 when not, 2 for wrong use."""
    options = _parser().parse_args(argv)
    folder = options.folder.resolve()
    try:
        _make_empty(folder)
    except OSError as error:
        say(f"reviewmill demo: {error}")
        return 2
    steps = Steps()
    try:
        with interruptible():
            _run(folder, options.pubsub, steps)
    except (StepFailed, ChildFailed, OSError) as error:
        say(f"\nreviewmill demo: {error}")
        say(f"FAILED: it is not shown that every row is accounted for. Logs: {shown(str(folder))}/*.log")
        return 1
    except KeyboardInterrupt:
        say("\nreviewmill demo: interrupted; everything that it started has ended")
        raise
    print("\nWall time of each step")
    steps.report()
    print(f"\nOK: every row is accounted for. Look around again: {_look_again(folder)}")
    return 0


def _look_again(folder: Path) -> str:
    return shlex.join(["reviewmill", "local", "--folder", shown(str(folder))])


def _run(folder: Path, pubsub: str, steps: Steps) -> None:
    """Tell the whole story; raises StepFailed or ChildFailed at the first thing that goes wrong."""
    with ExitStack() as stack:
        with steps.timed("Start the local cloud"):
            command = ["local", "--folder", str(folder), "--pubsub", pubsub]
            show_command(command)
            cloud = Child("the local cloud", reviewmill(*command), log=folder / "local.log", environment=os.environ)
            stack.callback(_stop, cloud)
            os.environ.update(_wait_until_ready(cloud, folder))
        try:
            _use(folder, steps)
        except StepFailed:
            status = cloud.ended()
            if status is not None:
                raise ChildFailed(cloud.failure(f"ended with status {status} during the demo")) from None
            raise


def _stop(cloud: Child) -> None:
    with killing_on_signal(cloud.kill_from_handler):
        cloud.stop(timeout_s=_STOP_S)


def _wait_until_ready(cloud: Child, folder: Path) -> dict[str, str]:
    """Return the variables that point at the cloud, once it is ready; says what was started and where."""
    cloud.wait_for(r"^ready", timeout_s=_READY_S)
    pairs = (shlex.split(line)[1].partition("=") for line in _lines(folder / "env.sh"))
    variables = {name: value for name, _, value in pairs}
    print(f"  Pub/Sub server at {variables['PUBSUB_EMULATOR_HOST']}")
    print(f"  storage server at {variables['STORAGE_EMULATOR_HOST']}")
    print(f"  a worker, as soon as there are classifiers; everything is kept in {shown(str(folder))}", flush=True)
    return variables


def _use(folder: Path, steps: Steps) -> None:
    """Do what a user of the local cloud does, in the user's order."""
    with steps.timed("Train three classifiers on the sample that ships"):
        steps.run(["train", str(SAMPLE)])
    files = write_files(SAMPLE, folder)
    receipt = str(folder / "reviews.receipt.jsonl")
    with steps.timed(f"Publish {files.messages:,} reviews over the three classifiers and the default, and wait"):
        steps.run(["publish", "reviews", str(files.reviews), "--receipt", receipt, "--wait", _WAIT_S])
    with steps.timed("Read the first predictions"):
        steps.run(["results", "reviews", "--limit", _FIRST_PREDICTIONS])
    with steps.timed(f"Score a CSV of {files.rows:,} rows through the bucket, {EMPTY_ROWS} of them empty on purpose"):
        output = steps.run(["publish", "csv", str(files.job), "--id-column", "id", "--wait", _WAIT_S])
        job = _job_in(output)
    with steps.timed("List what was stored"):
        print_objects(folder)
    with steps.timed("Verify every row, from the stored objects alone"):
        steps.run(["verify", receipt])
        steps.run(["verify", job])


def _job_in(output: str) -> str:
    match = re.search(r"^job +(\S+)$", output, re.MULTILINE)
    if match is None:
        raise StepFailed("`reviewmill publish csv` named no job")
    return match[1]


def _make_empty(folder: Path) -> None:
    """Make the folder, or empty the one of an earlier demo. Raises OSError for a folder that holds something else."""
    mark = folder / _MARK
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise OSError(f"{folder} holds something else, and the demo empties its folder. Name another with --folder.")
    folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    with only_one(folder):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in {_MARK, LOCK}:
                path.unlink()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="reviewmill demo",
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
        default=Path("out/demo"),
        help="where input, objects and logs are kept; emptied at the start (default: %(default)s)",
    )
    return parser
