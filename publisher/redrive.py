"""`reviewmill redrive`: shows what was dead-lettered and why, and publishes it again to where it came from."""

from __future__ import annotations

import argparse
import os
from functools import partial

from cloud.connect import open_subscription, open_topic, require_reachable
from cloud.queue import Topic
from publisher.console import DONE, NOT_DONE, Unusable, finish, say
from publisher.options import at_least_one, new_parser, positive
from publisher.redrive_run import Redrive, Rules, Tally
from publisher.table import print_table
from worker.settings import Settings, load_settings

PROG = "reviewmill redrive"
_SHOWN = 50
_COLUMNS = ("letters", "outcome", "from", "what it is", "deliveries", "redriven before", "oldest")


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Publish dead letters again to the topic they came from.\n\n"
        "A message that no worker finished after its attempts goes to the dead-letter topic, where a subscription\n"
        "keeps it. This command shows what is there, counted by source and kind, and publishes it again: with its\n"
        "id and its time, so that its row is the same row. A letter is acknowledged once its topic took it.\n\n"
        "The attribute 'redriven' counts the rounds. A message that was redriven --max-redrives times is refused: it\n"
        "would only come back. Mend what it fails on first (the worker logs its message id), then raise the limit.\n\n"
        "Exits 0 when nothing is left that it could not redrive, else 1.",
        [f"{PROG} --dry-run", f"{PROG} --max 10"],
    )
    parser.add_argument("--dry-run", action="store_true", help="show what is there, and change nothing")
    parser.add_argument("--max", metavar="N", type=at_least_one, help="redrive at most so many letters (default: all)")
    parser.add_argument(
        "--max-redrives",
        metavar="N",
        type=at_least_one,
        default=3,
        help="refuse what was redriven this often (default: %(default)s)",
    )
    parser.add_argument(
        "--subscription", metavar="NAME", help="that keeps the dead letters (default: their topic's name and -kept)"
    )
    parser.add_argument(
        "--wait",
        metavar="SECONDS",
        type=positive,
        default=5.0,
        help="done when no new letter came for this long (default: 5)",
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options, load_settings(os.environ)))


def _run(options: argparse.Namespace, settings: Settings) -> int:
    require_reachable(os.environ, "pubsub")
    name = options.subscription or f"{settings.dead_letter_topic}-kept"
    try:
        letters = open_subscription(settings.project, name)
    except ValueError as error:
        raise Unusable(
            f"The dead letters' subscription cannot be used: {error}. Name it with --subscription."
        ) from None
    rules = Rules(settings.project, options.dry_run, options.max, options.max_redrives, options.wait)
    redrive = Redrive(letters, _sources(settings), rules)
    try:
        tally = redrive.run()
    finally:
        letters.close()
    status = _report(tally, redrive.unacknowledged, options)
    if redrive.out_of_time:
        say(f"Not all of them: a run ends after {rules.pass_s / 60:.0f} minutes. Run the command again for the rest.")
        return NOT_DONE
    return status


def _sources(settings: Settings) -> dict[str, partial[Topic]]:
    """Return, for each subscription that dead-letters, how to open the topic that it reads."""
    return {
        settings.reviews_subscription: partial(open_topic, settings.project, settings.reviews_topic),
        settings.uploads_subscription: partial(open_topic, settings.project, settings.uploads_topic),
    }


def _report(tally: Tally, unacknowledged: int, options: argparse.Namespace) -> int:
    if tally.read:
        rows = [
            dict(zip(_COLUMNS, values, strict=True))
            for values in (
                (
                    count,
                    reason.verdict,
                    reason.subscription,
                    reason.cause,
                    tally.attempts[reason] or None,
                    reason.redriven,
                    tally.oldest[reason],
                )
                for reason, count in tally.reasons.most_common()
            )
        ]
        print_table(rows, _COLUMNS, limit=_SHOWN)
    stay = tally.read - tally.count("redriven") - tally.count("would be redriven")
    verb = "would be redriven" if options.dry_run else "redriven"
    print(f"read {tally.read:,} = {verb} {tally.read - stay:,} + left {stay:,}", flush=True)
    if not tally.read:
        say("No letter came. Those that another run holds, or held when it was killed, come again within ten minutes.")
    if tally.count("refused"):
        say(f"Refused: redriven {options.max_redrives} times already. Mend the cause, then raise --max-redrives.")
    if tally.count("unknown source"):
        say("Unknown source: they do not come from the subscriptions of these settings. Redrive them with the others.")
    if tally.count("failed"):
        say("Failed: the topic did not accept them. They stay dead letters; run the command again.")
    if unacknowledged:
        say(f"{unacknowledged:,} were published again but could not be acknowledged: they may be redriven once more.")
    return NOT_DONE if stay else DONE
