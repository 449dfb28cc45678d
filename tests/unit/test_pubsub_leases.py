from emulator.pubsub.entries import Entry
from emulator.pubsub.leases import LeaseTable
from emulator.pubsub.wire import PubsubMessage


def batch(*ids: str) -> list[tuple[str, Entry]]:
    return [(ack_id, Entry(PubsubMessage(data=ack_id.encode()), 0.0)) for ack_id in ids]


def test_leases_of_one_batch_expire_together_in_order() -> None:
    table = LeaseTable()
    table.grant(batch("a", "b", "c"), deadline=10, reader=None)
    table.release("b")
    assert [entry.message.data for entry in table.expire(10)] == [b"a", b"c"]
    assert len(table) == 0
    assert table.next_deadline() is None


def test_an_extended_lease_outlives_its_first_deadline() -> None:
    table = LeaseTable()
    table.grant(batch("a"), deadline=10, reader=None)
    table.extend(["a", "unknown"], deadline=20)
    assert table.expire(19) == []
    assert "a" in table
    assert len(table.expire(20)) == 1


def test_the_schedule_stays_small_while_leases_come_and_go() -> None:
    table = LeaseTable()
    table.grant(batch("kept"), deadline=600, reader=None)
    for number in range(50_000):
        table.grant(batch(str(number)), deadline=600, reader=None)
        table.release(str(number))
    assert len(table._schedule) <= 10_003
    assert [entry.message.data for entry in table.expire(600)] == [b"kept"]


def test_ending_all_leases_leaves_nothing_to_expire() -> None:
    table = LeaseTable()
    table.grant(batch("a", "b"), deadline=10, reader=None)
    assert len(table.release_all()) == 2
    assert table.expire(100) == []
