"""Moves dead letters back to where they came from: published first, acknowledged after."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
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
    """How many may be redriven, or would be; None for all. What stays does not count, or it would starve the rest."""
    max_redrives: int
    """A message that was redriven this often is refused."""
    wait_s: float
    """The dead-letter subscription counts as read when nothing new came for this long."""
    accept_s: float = 60.0
    """How long topics may take to accept what was pulled at once."""
    pass_s: float = 540.0
    """No more letters are asked for after this long: before the first that are held come again."""


class Redrive:
    """One run over the dead letters. `topics` opens, for each subscription that gives letters up, the topic it reads.

    A letter is acknowledged only after its topic accepted it, so a crash between the two publishes it twice, under the
    same id: readers keep one row. Whatever is not redriven is given back at the end and stays where it is. Until then
    it is held, so that each letter comes once; one that comes again all the same is known by its message id, and is
    neither counted nor published a second time.
    """

    def __init__(self, letters: Subscription, topics: Mapping[str, Callable[[], Topic]], rules: Rules) -> None:
        self._letters = letters
        self._topics = topics
        self._rules = rules
        self._open: dict[str, Topic] = {}
        self._seen: set[str] = set()
        self._held: dict[str, str] = {}
        """Message id → the newest acknowledgement id, of the letters that are given back at the end."""
        self._gone: set[str] = set()
        """Message ids of the letters that were published again."""
        self._unsure: set[str] = set()
        """Those of them whose acknowledgement failed."""
        self.out_of_time = False
        """Whether the run ended because it took too long: there may be letters that it has not seen."""

    @property
    def unacknowledged(self) -> int:
        """Letters that were published again and may come once more, because their acknowledgement failed."""
        return len(self._unsure)

    def run(self) -> Tally:
        """Work until every letter was seen, or as many were redriven as allowed, or the time of a run is over.

        Raises TransientError, CloudSetupError.
        """
        tally = Tally()
        ends = time.monotonic() + self._rules.pass_s
        try:
            while self._room(tally) and (batch := self._pull(ends)):
                # Never more than may be redriven: then none has to be left out after it was judged.
                while batch and (room := self._room(tally)):
                    self._handle([read_letter(received) for received in batch[:room]], tally)
                    batch = batch[room:]
        finally:
            for topic in self._open.values():
                topic.close()
            if self._held:
                self._letters.give_back(list(self._held.values()))
        return tally

    def _room(self, tally: Tally) -> int:
        """Return how many letters may be handled at once without redriving more than allowed."""
        if self._rules.max_letters is None:
            return _PULL_MESSAGES
        return self._rules.max_letters - tally.count("redriven") - tally.count("would be redriven")

    def _pull(self, ends: float) -> list[Received]:
        """Return letters that this run has not seen, held; none when none came in time, or time is over."""
        gives_up = time.monotonic() + self._rules.wait_s
        while (moment := time.monotonic()) < min(gives_up, ends):
            batch = self._letters.pull(_PULL_MESSAGES, timeout_s=min(gives_up, ends) - moment)
            if batch and (new := self._hold(batch)):
                return new
        self.out_of_time = ends <= gives_up
        return []

    def _hold(self, batch: list[Received]) -> list[Received]:
        """Hold letters, and return those of them that are new to this run."""
        new: dict[str, Received] = {}
        again: dict[str, str] = {}
        for received in batch:
            if received.message_id in self._gone:
                again[received.message_id] = received.ack_id
                continue
            self._held[received.message_id] = received.ack_id
            if received.message_id not in self._seen:
                new[received.message_id] = received
        self._seen |= new.keys()
        self._letters.extend([received.ack_id for received in batch], seconds=_HOLD_S)
        self._acknowledge(again)
        return list(new.values())

    def _handle(self, letters: list[Letter], tally: Tally) -> None:
        going: list[Letter] = []
        for letter in letters:
            verdict = self._verdict(letter)
            if verdict == "redriven":
                going.append(letter)
            else:
                tally.add(letter, verdict)
        accepted = self._publish(going, tally)
        # A letter that was published is not given back, whether it could be acknowledged or not.
        self._gone |= set(accepted)
        for message_id in accepted:
            del self._held[message_id]
        self._acknowledge(accepted)

    def _acknowledge(self, letters: dict[str, str]) -> None:
        """Acknowledge letters that were published, given as message id → acknowledgement id."""
        if not letters:
            return
        try:
            self._letters.acknowledge(list(letters.values()))
        except TransientError:
            self._unsure |= letters.keys()
        else:
            self._unsure -= letters.keys()

    def _verdict(self, letter: Letter) -> Verdict:
        if letter.subscription not in self._topics or letter.project not in {"", self._rules.project}:
            return "unknown source"
        if letter.redriven >= self._rules.max_redrives:
            return "refused"
        return "would be redriven" if self._rules.dry_run else "redriven"

    def _publish(self, letters: list[Letter], tally: Tally) -> dict[str, str]:
        """Publish letters again, and return message id → acknowledgement id of those that were accepted."""
        answers = [(letter, self._send(letter)) for letter in letters]
        wait([answer for _, answer in answers], timeout=self._rules.accept_s)
        accepted: dict[str, str] = {}
        for letter, answer in answers:
            try:
                answer.result(timeout=0)
            except (TransientError, TimeoutError, ValueError):
                tally.add(letter, "failed")
            else:
                tally.add(letter, "redriven")
                accepted[letter.received.message_id] = letter.received.ack_id
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
