"""Moves dead letters back to where they came from: published first, acknowledged after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from cloud.objects import TransientError
from cloud.queue import Received, Subscription, Topic
from publisher.redrive_letters import Letter, read_letter

Verdict = Literal["redriven", "would be redriven", "refused", "unknown source", "failed"]

_PULL_MESSAGES = 500
_HOLD_S = 600
"""The longest lease there is: letters that stay are held until the end, so that each is seen once."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What letters have in common that are counted together."""

    subscription: str
    cause: str
    redriven: int
    verdict: Verdict


@dataclass(slots=True)
class Tally:
    """How many letters there were of each kind."""

    reasons: Counter[Reason] = field(default_factory=Counter)
    oldest: dict[Reason, str] = field(default_factory=dict)
    attempts: dict[Reason, int] = field(default_factory=dict)
    read: int = 0

    def add(self, letter: Letter, verdict: Verdict) -> None:
        """Count a letter."""
        reason = Reason(letter.subscription or "(not said)", letter.cause, letter.redriven, verdict)
        self.read += 1
        self.reasons[reason] += 1
        when = letter.first_published or letter.received.publish_time
        self.oldest[reason] = min(self.oldest.get(reason, when), when)
        self.attempts[reason] = max(self.attempts.get(reason, 0), letter.attempts)

    def count(self, verdict: Verdict) -> int:
        """Return how many letters ended so."""
        return sum(count for reason, count in self.reasons.items() if reason.verdict == verdict)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run may do."""

    project: str
    dry_run: bool
    max_letters: int | None
    """None for all."""
    max_redrives: int
    """A message that was redriven this often is refused."""
    wait_s: float
    """The dead-letter subscription counts as empty when nothing came for this long."""
    accept_s: float = 60.0
    """How long the topic may take to accept one message."""


class Redrive:
    """One run over the dead letters. `topics` opens, for each subscription that gives letters up, the topic it reads.

    A letter is acknowledged only after its topic accepted it, so a crash between the two publishes it twice, under the
    same id: readers keep one row. Whatever is not redriven is given back at the end and stays where it is.
    """

    def __init__(self, letters: Subscription, topics: Mapping[str, Callable[[], Topic]], rules: Rules) -> None:
        self._letters = letters
        self._topics = topics
        self._rules = rules
        self._open: dict[str, Topic] = {}
        self._held: set[str] = set()
        self.unacknowledged = 0
        """Letters that were published again and may come once more, because their acknowledgement failed."""

    def run(self) -> Tally:
        """Work until the letters end, or as many were handled as allowed. Raises TransientError, CloudSetupError."""
        tally = Tally()
        try:
            while batch := self._pull(tally):
                self._handle([read_letter(received) for received in batch], tally)
        finally:
            if self._held:
                self._letters.give_back(sorted(self._held))
            for topic in self._open.values():
                topic.close()
        return tally

    def _pull(self, tally: Tally) -> list[Received]:
        """Return the next letters, held; none when there are none or enough were handled."""
        limit = _PULL_MESSAGES
        if self._rules.max_letters is not None:
            limit = min(limit, self._rules.max_letters - tally.read)
        if limit <= 0:
            return []
        batch = self._letters.pull(limit, timeout_s=self._rules.wait_s)
        if batch:
            ack_ids = [received.ack_id for received in batch]
            self._held |= set(ack_ids)
            self._letters.extend(ack_ids, seconds=_HOLD_S)
        return batch

    def _handle(self, letters: list[Letter], tally: Tally) -> None:
        going: list[Letter] = []
        for letter in letters:
            verdict = self._verdict(letter)
            if verdict == "redriven":
                going.append(letter)
            else:
                tally.add(letter, verdict)
        accepted = self._publish(going, tally)
        if not accepted:
            return
        # A letter that was published is not given back, whether it could be acknowledged or not.
        self._held -= set(accepted)
        try:
            self._letters.acknowledge(accepted)
        except TransientError:
            self.unacknowledged += len(accepted)

    def _verdict(self, letter: Letter) -> Verdict:
        if letter.subscription not in self._topics or letter.project not in {"", self._rules.project}:
            return "unknown source"
        if letter.redriven >= self._rules.max_redrives:
            return "refused"
        return "would be redriven" if self._rules.dry_run else "redriven"

    def _publish(self, letters: list[Letter], tally: Tally) -> list[str]:
        """Publish letters again, and return the acknowledgement ids of those that were accepted."""
        answers = [(letter, self._send(letter)) for letter in letters]
        accepted: list[str] = []
        for letter, answer in answers:
            try:
                answer.result(timeout=self._rules.accept_s)
            except (TransientError, TimeoutError, ValueError):
                tally.add(letter, "failed")
            else:
                tally.add(letter, "redriven")
                accepted.append(letter.received.ack_id)
        return accepted

    def _send(self, letter: Letter) -> Future[str]:
        try:
            if letter.subscription not in self._open:
                self._open[letter.subscription] = self._topics[letter.subscription]()
            return self._open[letter.subscription].publish(letter.received.data, letter.again())
        except (TransientError, ValueError) as error:
            failed: Future[str] = Future()
            failed.set_exception(error)
            return failed
