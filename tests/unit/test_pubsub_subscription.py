"""The pure state of a subscription, its time given."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from emulator.pubsub.entries import MESSAGE_OVERHEAD_BYTES, Entry, Reader
from emulator.pubsub.errors import PubSubError
from emulator.pubsub.policies import DeliveryPolicy, RetryPolicy
from emulator.pubsub.subscription import PERMANENT_FAILURE, Delivery, SubscriptionState
from emulator.pubsub.wire import PubsubMessage

NOW = 1_000_000.0
ids = itertools.count(1)


def entry(data: bytes = b"x", key: str = "", at: float = NOW) -> Entry:
    return Entry(PubsubMessage(data=data, ordering_key=key, message_id=str(next(ids))), at)


def state(policy: DeliveryPolicy | None = None, *data: bytes, key: str = "") -> SubscriptionState:
    made = SubscriptionState("reviews", policy or DeliveryPolicy())
    for one in data:
        made.add(entry(one, key))
    return made


def data_of(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [one.entry.message.data for one in deliveries]


def test_messages_come_in_the_order_of_publishing_up_to_the_limit() -> None:
    made = state(None, b"1", b"2", b"3")
    assert data_of(made.take(NOW, 2)) == [b"1", b"2"]
    assert data_of(made.take(NOW, 2)) == [b"3"]
    assert made.take(NOW, 2) == []


def test_a_response_is_bounded_in_bytes_but_never_empty() -> None:
    made = state(None, b"a" * 100, b"b" * 100, b"c" * 100)
    limit = 2 * (100 + MESSAGE_OVERHEAD_BYTES)
    assert len(made.take(NOW, 10, max_bytes=limit)) == 2
    assert len(made.take(NOW, 10, max_bytes=1)) == 1


def test_a_lease_ends_exactly_at_its_deadline() -> None:
    made = state(DeliveryPolicy(ack_deadline_s=10), b"x")
    made.take(NOW, 1)
    assert made.next_event() == NOW + 10
    made.advance(NOW + 9.99)
    assert not made.has_ready()
    made.advance(NOW + 10)
    (again,) = made.take(NOW + 10, 1)
    assert again.attempt == 2


def test_an_extension_counts_from_now_and_may_shorten() -> None:
    made = state(DeliveryPolicy(ack_deadline_s=10), b"x")
    (one,) = made.take(NOW, 1)
    assert made.extend([one.ack_id], 60, NOW + 5) == []
    made.advance(NOW + 64)
    assert not made.has_ready()
    assert made.extend([one.ack_id], 1, NOW + 64) == []
    made.advance(NOW + 65)
    assert made.has_ready()


def test_stale_ids_are_named_and_the_others_take_effect() -> None:
    made = state(None, b"1", b"2")
    first, second = made.take(NOW, 2)
    assert made.acknowledge([first.ack_id], NOW) == []
    assert made.acknowledge([first.ack_id, second.ack_id], NOW) == [first.ack_id]
    assert made.unacknowledged() == []


def test_an_id_of_another_kind_is_refused_before_anything_changes() -> None:
    made = state(None, b"x")
    (one,) = made.take(NOW, 1)
    with pytest.raises(PubSubError, match="Invalid ack id"):
        made.acknowledge([one.ack_id, "made up"], NOW)
    assert made.acknowledge([one.ack_id], NOW) == []


def test_ids_of_two_states_never_meet() -> None:
    (one,) = state(None, b"x").take(NOW, 1)
    (other,) = state(None, b"x").take(NOW, 1)
    assert one.ack_id != other.ack_id


def test_backoff_doubles_up_to_its_maximum() -> None:
    retry = RetryPolicy(minimum_backoff_s=1, maximum_backoff_s=5)
    assert [retry.backoff_s(attempts) for attempts in (1, 2, 3, 4, 1000)] == [1, 2, 4, 5, 5]
    made = state(DeliveryPolicy(retry=retry), b"x")
    now = NOW
    for wait in (1, 2, 4, 5):
        (one,) = made.take(now, 1)
        made.extend([one.ack_id], 0, now)
        made.advance(now + wait - 0.01)
        assert not made.has_ready()
        assert made.next_event() == now + wait
        now += wait
        made.advance(now)
        assert made.has_ready()


def test_a_message_is_exhausted_after_its_attempts_and_can_be_given_back() -> None:
    made = state(DeliveryPolicy(maximum_attempts=2), b"x")
    for _ in range(2):
        (one,) = made.take(NOW, 1)
        made.extend([one.ack_id], 0, NOW)
    (exhausted,) = made.take_exhausted()
    assert exhausted.attempts == 2
    assert made.take_exhausted() == []
    assert not made.has_ready()
    made.give_back(exhausted, NOW)
    assert data_of(made.take(NOW, 1)) == [b"x"]


def test_one_message_of_a_key_is_out_at_a_time_whatever_happens_to_it() -> None:
    made = state(DeliveryPolicy(ordered=True, maximum_attempts=5), b"1", b"2", b"3", key="k")
    (first,) = made.take(NOW, 10)
    made.extend([first.ack_id], 0, NOW)
    (again,) = made.take(NOW, 10)
    assert data_of([again]) == [b"1"]
    made.acknowledge([again.ack_id], NOW)
    (second,) = made.take(NOW, 10)
    made.advance(NOW + 600)  # its lease runs out
    assert data_of(made.take(NOW + 600, 10)) == [b"2"] == data_of([second])


def test_a_dead_letter_lets_the_next_of_its_key_pass() -> None:
    made = state(DeliveryPolicy(ordered=True, maximum_attempts=1), b"1", b"2", key="k")
    (first,) = made.take(NOW, 10)
    made.extend([first.ack_id], 0, NOW)
    (exhausted,) = made.take_exhausted()
    assert made.take(NOW, 10) == []
    made.settle(exhausted)
    assert data_of(made.take(NOW, 10)) == [b"2"]


def test_keys_are_ignored_without_ordering() -> None:
    assert len(state(None, b"1", b"2", key="k").take(NOW, 10)) == 2


def test_messages_older_than_the_retention_are_dropped() -> None:
    made = SubscriptionState("reviews", DeliveryPolicy(retention_s=600))
    made.add(entry(b"old", at=NOW - 601))
    made.add(entry(b"young", at=NOW - 599))
    assert data_of(made.take(NOW, 10)) == [b"young"]


def test_a_reader_holds_no_more_than_its_limits() -> None:
    made = state(None, *[b"x" * 36] * 10)
    reader = Reader(deadline_s=60, maximum_messages=3)
    held = made.take(NOW, 10, reader)
    assert len(held) == 3
    assert made.take(NOW, 10, reader) == []
    made.acknowledge([held[0].ack_id], NOW)
    assert len(made.take(NOW, 10, reader)) == 1
    small = Reader(deadline_s=60, maximum_bytes=250)
    assert len(made.take(NOW, 10, small)) == 2
    tiny = Reader(deadline_s=60, maximum_bytes=1)
    assert len(made.take(NOW, 10, tiny)) == 1, "or a large message would never leave"


def test_a_readers_deadline_is_its_own_and_expiry_frees_it() -> None:
    made = state(DeliveryPolicy(ack_deadline_s=600), b"x")
    reader = Reader(deadline_s=20, maximum_messages=1)
    made.take(NOW, 1, reader)
    assert made.next_event() == NOW + 20
    made.advance(NOW + 20)
    assert reader.held_messages == reader.held_bytes == 0


def test_seek_to_a_time_replays_what_was_retained_and_drops_what_is_older() -> None:
    made = SubscriptionState("reviews", DeliveryPolicy(retain_acked=True))
    for number in range(4):
        made.add(entry(str(number).encode(), at=NOW + number))
    taken = made.take(NOW + 4, 2)
    made.acknowledge([taken[0].ack_id], NOW + 4)
    made.seek_to_time(NOW + 1)
    assert data_of(made.take(NOW + 4, 10)) == [b"1", b"2", b"3"]
    made.seek_to_time(NOW)
    assert data_of(made.take(NOW + 4, 10)) == [b"0", b"1", b"2", b"3"]
    made.seek_to_time(NOW + 100)
    assert made.take(NOW + 4, 10) == []


def test_mixed_ids_under_exactly_once_are_confirmed_when_repeated() -> None:
    made = state(DeliveryPolicy(exactly_once=True), b"1", b"2")
    stale, good = (one.ack_id for one in made.take(NOW, 2))
    made.acknowledge([stale], NOW)
    error = made.exactly_once_error([stale, good], made.acknowledge([stale, good], NOW))
    assert error is not None
    assert error.ack_failures[stale] == PERMANENT_FAILURE
    assert error.ack_failures[good].startswith("TRANSIENT_")
    assert made.exactly_once_error([good], made.acknowledge([good], NOW)) is None
    again = made.exactly_once_error([good], made.acknowledge([good], NOW))
    assert again is not None
    assert again.ack_failures == {good: PERMANENT_FAILURE}


class Conservation(RuleBasedStateMachine):
    """Whatever is done in whatever order: every message is somewhere, once, until it is acknowledged or forwarded."""

    def __init__(self) -> None:
        super().__init__()
        retry = RetryPolicy(minimum_backoff_s=1, maximum_backoff_s=4)
        self.state = SubscriptionState("reviews", DeliveryPolicy(ordered=True, retry=retry, maximum_attempts=5))
        self.now = NOW
        self.expected: set[str] = set()
        self.handed_out: list[Delivery] = []

    @rule(key=st.sampled_from(["", "", "a", "b"]))
    def publish(self, key: str) -> None:
        one = entry(key=key, at=self.now)
        self.expected.add(one.message.message_id)
        self.state.add(one)

    @rule(limit=st.integers(1, 5))
    def take(self, limit: int) -> None:
        self.handed_out += self.state.take(self.now, limit)

    @precondition(lambda self: self.handed_out)
    @rule(data=st.data(), seconds=st.sampled_from([0, 3, 30]), acknowledge=st.booleans())
    def answer(self, data: st.DataObject, seconds: int, acknowledge: bool) -> None:
        one = self.handed_out.pop(data.draw(st.integers(0, len(self.handed_out) - 1)))
        if not acknowledge:
            self.state.extend([one.ack_id], seconds, self.now)
        elif not self.state.acknowledge([one.ack_id], self.now):
            self.expected.discard(one.entry.message.message_id)

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.state.advance(self.now)

    @rule(forward=st.booleans())
    def dead_letter(self, forward: bool) -> None:
        for one in self.state.take_exhausted():
            if forward:
                self.expected.discard(one.message.message_id)
                self.state.settle(one)
            else:
                self.state.give_back(one, self.now)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        held = [one.message.message_id for one in self.state.unacknowledged()]
        assert len(held) == len(set(held))
        assert set(held) == self.expected

    def teardown(self) -> None:
        """Everything that is left can still be delivered and acknowledged."""
        for _ in range(10_000):
            if not self.expected:
                return
            self.now += 601
            self.state.advance(self.now)
            for one in self.state.take_exhausted():
                self.expected.discard(one.message.message_id)
                self.state.settle(one)
            for delivery in self.state.take(self.now, 100):
                self.state.acknowledge([delivery.ack_id], self.now)
                self.expected.discard(delivery.entry.message.message_id)
        assert not self.expected, "messages that never come"


TestConservation = Conservation.TestCase
