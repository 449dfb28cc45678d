"""What the commands of this package share: how they end, and how they say why."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from cloud.objects import CloudSetupError, ContentConflict, Objects, TransientError
from cloud.signature_bundle import SignatureRefused
from schemas.errors import InvalidInput
from training.errors import AliasMoved, ParityError
from worker.core.compiled_errors import InvalidModel
from worker.settings import InvalidSettings, Settings

DONE, NOT_DONE, WRONG_USE = 0, 1, 2


def open_bucket(uri: str, settings: Settings) -> Objects:
    """Return the objects of `gs://bucket` or of a folder.

    Raises InvalidInput for an address that is neither, and CloudSetupError at once when no emulator answers.
    """
    from cloud.connect import open_objects, require_reachable  # noqa: PLC0415 - --help does not wait for sockets

    if uri.startswith("gs://"):
        require_reachable(os.environ, "storage")
    try:
        return open_objects(uri, timeout_s=settings.storage_timeout_s)
    except ValueError as error:
        raise InvalidInput("bad_address", f"{uri!r} cannot be opened: {error}") from None


def require_writable(uri: str) -> None:
    """Raise InvalidInput for a folder that models cannot be written into; makes nothing. Buckets are not asked."""
    if uri.startswith("gs://"):
        return
    folder = Path(uri).resolve()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise InvalidInput("bad_address", f"{folder} cannot be written: {there} is no folder. Name another folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InvalidInput(
            "bad_address", f"{folder} cannot be written: you may not write into {there}. Name another folder."
        )


def say(message: str) -> None:
    """Print a line for people on stderr, so that stdout holds results only."""
    print(message, file=sys.stderr, flush=True)


def finish(prog: str, work: Callable[[], int]) -> int:
    """Run a command's work and return its exit status; expected failures become one sentence, never a traceback."""
    try:
        return work()
    except InvalidInput as error:
        say(f"{prog}: {error.reason}")
        return WRONG_USE
    except (InvalidSettings, CloudSetupError) as error:
        say(f"{prog}: {error}")
        return WRONG_USE
    except InvalidModel as error:
        say(f"{prog}: the version is refused: {error.reason}. Nothing was changed; name another version.")
        return NOT_DONE
    except SignatureRefused as refused:
        say(f"{prog}: the version is refused: {refused}. Nothing was changed.")
        return NOT_DONE
    except (AliasMoved, ContentConflict, ParityError, TransientError) as error:
        say(f"{prog}: {error}")
        return NOT_DONE
