"""Messages that come again and again: the one that ends its process is found, the others are handled."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.envelope import Envelope
from worker.isolate import SUSPECT_FROM, Isolation, NotStarted, Outcome, run_child


def message(number: int, *, attempt: int = SUSPECT_FROM, attributes: dict[str, str] | None = None) -> Envelope:
    return Envelope(str(number), b"{}", attributes or {}, "2026-03-01T10:00:00.000000Z", attempt)


class Handlers:
    """Handles everything, here or in processes that the given messages end."""

    def __init__(self, killers: set[str] | None = None) -> None:
        self.killers = killers or set()
        self.here: list[str] = []
        self.starts = 0
        self.counted = 0
        self.stopping = False

    def handle_here(self, batch: Sequence[Envelope]) -> set[int]:
        self.here += [envelope.message_id for envelope in batch]
        return set(range(len(batch)))

    def run(self, batch: Sequence[Envelope]) -> Outcome | None:
        self.starts += 1
        if self.killers & {envelope.message_id for envelope in batch}:
            return None
        return Outcome(list(range(len(batch))), lines=len(batch))

    def tally(self, lines: int, _rejections: int) -> None:
        self.counted += lines

    def isolation(self) -> Isolation:
        return Isolation(self.handle_here, self.run, self.tally, lambda: None, lambda: self.stopping)


def test_messages_that_come_for_the_first_times_are_handled_here() -> None:
    handlers = Handlers()
    batch = [message(number, attempt=number) for number in range(SUSPECT_FROM)]
    assert handlers.isolation().handle(batch) == set(range(SUSPECT_FROM))
    assert (len(handlers.here), handlers.starts) == (SUSPECT_FROM, 0)


def test_one_killer_among_a_thousand_costs_twenty_processes_and_nobody_else() -> None:
    handlers = Handlers({"617"})
    done = handlers.isolation().handle([message(number) for number in range(1_000)])
    assert done == set(range(1_000)) - {617}
    assert handlers.starts <= 21
    assert handlers.counted == 999


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=30))
def test_all_but_the_killers_are_handled_wherever_they_stand(sent: list[tuple[int, bool]]) -> None:
    killers = {str(place) for place, (attempt, kills) in enumerate(sent) if kills and attempt >= SUSPECT_FROM}
    handlers = Handlers(killers)
    batch = [message(place, attempt=attempt) for place, (attempt, _) in enumerate(sent)]
    assert handlers.isolation().handle(batch) == set(range(len(sent))) - set(map(int, killers))
    assert set(handlers.here) == {item.message_id for item in batch if item.attempt < SUSPECT_FROM}


def test_notifications_of_uploads_are_not_isolated() -> None:
    handlers = Handlers()
    attributes = {"bucketId": "b", "objectId": "o", "objectGeneration": "1", "eventType": "OBJECT_FINALIZE"}
    assert handlers.isolation().handle([message(1, attributes=attributes)]) == {0}
    assert handlers.here == ["1"]


def test_a_stop_isolates_nothing_more() -> None:
    handlers = Handlers()
    handlers.stopping = True
    assert handlers.isolation().handle([message(1), message(2)]) == set()
    assert handlers.starts == 0


PROGRAMS = {
    "answers": ("print('begun'); print('{\"done\":[0],\"lines\":1}')", Outcome([0], lines=1)),
    "dies of the messages": ("import os; print('begun', flush=True); os.kill(os.getpid(), 9)", None),
    "dies in its answer": ("import os; print('begun'); print('{\"done\":[', end='', flush=True); os._exit(0)", None),
}


@pytest.mark.parametrize(("program", "outcome"), PROGRAMS.values(), ids=PROGRAMS)
def test_what_a_process_says_is_understood(program: str, outcome: Outcome | None) -> None:
    command = (sys.executable, "-S", "-c", "import sys; sys.stdin.read(); " + program)
    assert run_child([message(1)], command=command, timeout_s=60) == outcome


def test_a_process_that_hangs_over_the_messages_is_ended() -> None:
    command = (sys.executable, "-S", "-c", "print('begun', flush=True); import time; time.sleep(600)")
    assert run_child([message(1)], command=command, timeout_s=2) is None


@pytest.mark.parametrize(
    "command",
    [
        (sys.executable, "-S", "-c", "import sys; sys.exit(1)"),
        (sys.executable, "-S", "-c", "import time; time.sleep(600)"),
        ("/no/such/program",),
    ],
    ids=["ends", "hangs", "is not there"],
)
def test_a_process_that_does_not_begin_is_not_held_against_the_messages(command: tuple[str, ...]) -> None:
    with pytest.raises(NotStarted):
        run_child([message(1)], command=command, timeout_s=2)


def test_without_processes_messages_are_handled_here() -> None:
    def none(_batch: Sequence[Envelope]) -> Outcome | None:
        raise NotStarted

    handlers = Handlers()
    isolation = Isolation(handlers.handle_here, none, handlers.tally, lambda: None, lambda: False)
    assert isolation.handle([message(1), message(2)]) == {0, 1}
    assert handlers.here == ["1", "2"]
