"""What the commands of this package share: how they end, and how they say why."""

from __future__ import annotations

import sys
from collections.abc import Callable

from cloud.objects import CloudSetupError, ContentConflict, TransientError
from worker.settings import InvalidSettings

DONE, NOT_DONE, WRONG_USE = 0, 1, 2


class Unusable(Exception):  # noqa: N818 - a fact about what was given
    """An argument, a file or an object that cannot be used; the message names it, the cause and the fix."""


class NotDone(Exception):  # noqa: N818 - a fact about the outcome
    """The work ended without what was asked for; the message says what is there and what to do."""


def say(message: str) -> None:
    """Print a line for people on stderr, so that stdout holds results only."""
    # With its end in one write: another process may be writing to the same terminal.
    print(f"{message}\n", end="", file=sys.stderr, flush=True)


def finish(prog: str, work: Callable[[], int]) -> int:
    """Run a command's work and return its exit status; expected failures become one sentence, never a traceback."""
    try:
        return work()
    except (Unusable, InvalidSettings, CloudSetupError) as error:
        say(f"{prog}: {error}")
        return WRONG_USE
    except (NotDone, TransientError, ContentConflict) as error:
        say(f"{prog}: {error}")
        return NOT_DONE
