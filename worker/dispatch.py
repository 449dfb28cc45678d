"""Sends each message to its story: review requests to `process`, bucket notifications and ranges to the CSV job."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from cloud.objects import CloudSetupError, TransientError
from schemas.errors import InvalidInput
from schemas.events import Upload, is_notification, upload_from_notification
from schemas.ranges import RangeTask, decode_range_task, is_range_task
from worker.core.envelope import Envelope

_log = logging.getLogger(__name__)


class Dispatcher:
    """What every shell hands its messages to.

    `score` takes a batch of review requests and returns the positions whose outcomes are durable; `run_upload`
    works on one uploaded file until its manifest is stored or its ranges are handed to all workers, `run_range` on one
    range until its record is stored.
    """

    def __init__(
        self,
        score: Callable[[Sequence[Envelope]], set[int]],
        run_upload: Callable[[Upload], object],
        run_range: Callable[[RangeTask], object],
    ) -> None:
        self._score = score
        self._run_upload = run_upload
        self._run_range = run_range

    def handle(self, batch: Sequence[Envelope]) -> set[int]:
        """Return the positions of the messages that may be acknowledged. Never raises for a message's sake.

        May block; safe to call again with the same messages. Raises CloudSetupError, which no message can mend.
        """
        tasks = {position for position, envelope in enumerate(batch) if is_range_task(envelope.attributes)}
        uploads = {position for position, envelope in enumerate(batch) if is_notification(envelope.attributes)} - tasks
        reviews = [position for position in range(len(batch)) if position not in tasks | uploads]
        done = {position for position in sorted(uploads) if self.handle_notification(batch[position])}
        done |= {position for position in sorted(tasks) if self.handle_range(batch[position])}
        if reviews:
            durable = self._score_isolating([batch[position] for position in reviews])
            done |= {reviews[index] for index in durable}
        return done

    def handle_notification(self, envelope: Envelope) -> bool:
        """Run the job that a bucket notification announces; True when the message may be acknowledged."""
        try:
            upload = upload_from_notification(envelope.attributes)
        except InvalidInput as error:
            # There is no row to account for: the dead-letter topic keeps the message for a person to look at.
            _log.error("notification %s is given back: %s", envelope.message_id, error)
            return False
        return upload is None or self.handle_upload(upload)

    def handle_upload(self, upload: Upload) -> bool:
        """Run the job of one uploaded object; True when its manifest is stored, or others go on with its ranges."""
        return self._handle(f"gs://{upload.bucket}/{upload.name}", lambda: self._run_upload(upload))

    def handle_range(self, envelope: Envelope) -> bool:
        """Work on the range that a message asks for; True when the message may be acknowledged."""
        try:
            task = decode_range_task(envelope.data)
        except InvalidInput as error:
            _log.error("range task %s is given back: %s", envelope.message_id, error)
            return False
        name = f"range {task.range} of gs://{task.bucket}/{task.object}"
        return self._handle(name, lambda: self._run_range(task))

    def _handle(self, name: str, work: Callable[[], object]) -> bool:
        """Do the work; False where the message that asked for it is to be delivered again."""
        try:
            work()
        except TransientError as error:
            _log.warning("%s is given back: %s", name, error)
            return False
        except InvalidInput as error:
            _log.error("%s is given back: %s", name, error)
            return False
        except CloudSetupError:
            raise
        except Exception:  # noqa: BLE001 - a fault of ours must cost this message only; it is logged and dead-lettered
            _log.exception("%s is given back: a fault in the worker", name)
            return False
        return True

    def _score_isolating(self, batch: Sequence[Envelope]) -> set[int]:
        """Score a batch; where that hits a fault of ours, halve it until only the message at fault is given back."""
        try:
            return self._score(batch)
        except TransientError as error:
            _log.warning("%d messages are given back: %s", len(batch), error)
            return set()
        except CloudSetupError:
            raise
        except Exception:  # noqa: BLE001 - the same
            if len(batch) == 1:
                _log.exception("message %s is given back: a fault in the worker", batch[0].message_id)
                return set()
            _log.warning("a batch of %d messages hit a fault; halving it", len(batch), exc_info=True)
        middle = len(batch) // 2
        return self._score_isolating(batch[:middle]) | {
            middle + position for position in self._score_isolating(batch[middle:])
        }
