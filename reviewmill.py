"""The console command: a table of subcommands, each imported only when it is asked for."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("emulator.demo:main", "run the whole job on this machine and prove it"),
    "local": ("emulator.local:main", "start the local cloud: Pub/Sub, storage and a worker"),
    "train": ("training.command:main", "train the three classifiers on a CSV or TSV"),
    "models": ("training.models_command:main", "list, show, sign, promote and roll back models"),
    "publish": ("publisher.command:main", "send a review, a file of reviews, or a CSV to score"),
    "worker": ("worker.command:main", "score messages and uploaded CSVs until stopped"),
    "score": ("worker.score_file:main", "score a local file, without any cloud"),
    "jobs": ("publisher.jobs_command:main", "list CSV jobs: state, rows, rejections, duration"),
    "replay": ("worker.replay_command:main", "score a past CSV job with another model version, and compare"),
    "results": ("publisher.results_command:main", "read predictions and rejections"),
    "verify": ("publisher.verify_command:main", "prove that every row is accounted for"),
    "compact": ("publisher.compact:main", "seal past hours of results: few objects, each outcome once"),
    "redrive": ("publisher.redrive:main", "publish dead letters again to where they came from"),
    "emulator": ("reviewmill:emulator", "start one server of the local cloud, or set it up"),
}

EMULATORS: dict[str, tuple[str, str]] = {
    "pubsub": ("emulator.pubsub.command:main", "the embedded Pub/Sub server"),
    "storage": ("emulator.storage.command:main", "the embedded Cloud Storage server"),
    "setup": ("emulator.setup:main", "make topics, subscriptions, buckets and notifications in running emulators"),
}

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def _usage(prog: str, commands: dict[str, tuple[str, str]]) -> str:
    rows = "\n".join(f"  {name:<10}{summary}" for name, (_, summary) in commands.items())
    return (
        f"usage: {prog} COMMAND [ARGUMENT ...]\n\n"
        "Batch scoring of reviews off a queue, with every row accounted for.\n\n"
        f"commands:\n{rows}\n\n"
        f"'{prog} COMMAND --help' explains a command. Settings come from the environment; README.md lists them."
    )


def _dispatch(prog: str, commands: dict[str, tuple[str, str]], argv: list[str]) -> int:
    """Run the subcommand that argv names; 2 with a clear sentence when there is none of that name."""
    if not argv or argv[0] in {"-h", "--help", "help"}:
        print(_usage(prog, commands))
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name not in commands:
        print(f"{prog}: there is no command {name!r}. Choose one of: {', '.join(commands)}.", file=sys.stderr)
        return 2
    module, function = commands[name][0].split(":")
    try:
        main: Callable[[list[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        print(
            f"{prog} {name} needs the package {missing!r}, which is not installed here. Run 'make setup' in the "
            "checkout, or install reviewmill with the extra that the command needs.",
            file=sys.stderr,
        )
        return 2
    return main(rest)


def emulator(argv: list[str]) -> int:
    """Run `reviewmill emulator …`."""
    return _dispatch("reviewmill emulator", EMULATORS, argv)


def main() -> int:
    """Run the command line; the exit status is 0, 1 (not all done), 2 (wrong use) or 130 (Ctrl-C)."""
    argv = sys.argv[1:]
    _print_any_text()
    if argv in (["--version"], ["-V"]):
        print(f"reviewmill {version('reviewmill')}")
        return 0
    try:
        status = _dispatch("reviewmill", COMMANDS, argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _leave_stdout()  # the reader of a pipe has gone (`… | head`): not an error
        return 0
    except OSError as error:
        print(f"reviewmill {' '.join(argv[:1])}: {error}", file=sys.stderr)
        _leave_stdout()
        return 1
    return status


def _print_any_text() -> None:
    """Let reviews in any script be printed: as UTF-8 into files and pipes, with escapes on a terminal without it."""
    if sys.stdout is None:  # closed by whoever started us (`>&-`)
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for the life of the process
    elif isinstance(sys.stdout, io.TextIOWrapper):
        if sys.stdout.isatty():
            sys.stdout.reconfigure(errors="backslashreplace")
        else:
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def _leave_stdout() -> None:
    """Keep the interpreter's own flush at exit quiet: what is left cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
