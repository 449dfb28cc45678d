"""`reviewmill publish review TEXT`: one review, and what became of it."""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime

from cloud.objects import Objects
from cloud.queue import Topic
from publisher.console import DONE, NOT_DONE, NotDone, Unusable, finish, say
from publisher.doors import open_bucket, open_reviews_topic
from publisher.formats import PREDICTION_COLUMNS, REJECTION_COLUMNS, rows_as_mappings, show_rows
from publisher.options import add_model, add_wait, known_model, new_parser, positive
from publisher.receipts import made_up_id, new_receipt_id
from publisher.sender import Sender
from publisher.wait_reviews import wait_for_reviews
from schemas.codec import encode
from schemas.errors import InvalidInput
from schemas.outcomes import Prediction, Receipt
from schemas.requests import ReviewRequest, decode_review
from worker.core.reading import Outcome, deduplicate
from worker.settings import load_settings

PROG = "reviewmill publish review"

_NOT_UNICODE = (
    "The text is not valid Unicode. Write it in UTF-8, the terminal's encoding, "
    "or put it into a file for 'reviewmill publish reviews'."
)


def _parser() -> argparse.ArgumentParser:
    parser = new_parser(
        PROG,
        "Publish one review to be scored. Prints its id; with --wait also its prediction, or why it was rejected.",
        ['reviewmill publish review "Great film, would watch again" --wait', f'{PROG} "Awful" --model linear_svc'],
    )
    parser.add_argument("text", metavar="TEXT", help="the review")
    add_model(parser)
    parser.add_argument("--id", help="id of the review; made up when not given")
    add_wait(parser, "the outcome is stored", 60)
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=positive, default=60.0, help="how long Pub/Sub may take (default: 60)"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command."""
    options = _parser().parse_args(argv)
    return finish(PROG, lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    settings = load_settings(os.environ)
    receipt = new_receipt_id(datetime.now(UTC))
    request = _request(options, made_up_id(receipt, 1))
    with open_reviews_topic(settings) as topic:
        sent = publish_one(topic, request, receipt, timeout_s=options.timeout)
    print(f"published {sent.id} (message {sent.message_id})", flush=True)
    if options.wait is None:
        return DONE
    with open_bucket(settings.results, settings) as results:
        return _wait(results, sent, options.wait)


def _request(options: argparse.Namespace, id_: str) -> ReviewRequest:
    try:
        # The type checks nothing when it is built here, so what is sent is decoded as a worker will.
        return decode_review(
            encode(
                ReviewRequest(
                    text=options.text,
                    id=id_ if options.id is None else options.id,
                    model=known_model(options.model),
                    version=options.version,
                )
            )
        )
    except (InvalidInput, UnicodeEncodeError) as error:
        reason = error.reason if isinstance(error, InvalidInput) else _NOT_UNICODE
        raise Unusable(f"The review was not published. {reason}") from None


def publish_one(topic: Topic, request: ReviewRequest, receipt: str, *, timeout_s: float) -> Receipt:
    """Publish one request and return its receipt; raises NotDone when Pub/Sub does not take it."""
    accepted: list[Receipt] = []
    reasons: list[str] = []
    sender = Sender(
        topic,
        receipt,
        timeout_s=timeout_s,
        accepted=accepted.append,
        failed=lambda _line, _data, reason: reasons.append(reason),
    )
    sender.send(1, request)
    sender.finish()
    if not accepted:
        raise NotDone(f"The review was not published. {reasons[0]}")
    return accepted[0]


def _wait(results: Objects, sent: Receipt, seconds: float) -> int:
    found: list[Outcome] = []

    def keep(outcome: Outcome) -> None:
        if outcome.text_sha256 in {None, sent.text_sha256} and outcome.key in {sent.id, f"m:{sent.message_id}"}:
            found.append(outcome)

    account = wait_for_reviews(results, [sent], seconds=seconds, each=keep).account()
    if not found:
        raise NotDone(
            f"No outcome within {seconds:g} s. Is a worker running? "
            f"Look later with: reviewmill results reviews --id {sent.id}"
        )
    row = deduplicate(found).rows[0]
    scored = isinstance(row, Prediction)
    columns = PREDICTION_COLUMNS if scored else REJECTION_COLUMNS
    if not scored:
        say("The review was rejected.")
    show_rows(rows_as_mappings([row]), style="table", columns=columns, table_columns=columns, limit=1)
    for finding in account.findings:
        say(f"{finding.key} {finding.detail}. Readers show one of them. Publish this review under an id of its own.")
    return DONE if scored and account.balanced else NOT_DONE
