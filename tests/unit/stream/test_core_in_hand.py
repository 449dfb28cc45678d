from __future__ import annotations

from worker.core.in_hand import Bounds, InHand, Piece, leased


def piece(count: int = 1, size_bytes: int = 10, pulled_at: float = 0.0) -> Piece[int]:
    items = list(range(count))
    return leased(items, [str(item) for item in items], size_bytes, pulled_at=pulled_at)


def test_room_is_bounded_by_count_and_by_bytes() -> None:
    in_hand: InHand[int] = InHand(Bounds(messages=10, bytes=100))
    in_hand.pieces = [piece(count=9, size_bytes=99)]
    assert in_hand.has_room()
    in_hand.pieces = [piece(count=5), piece(count=5)]
    assert not in_hand.has_room()
    in_hand.pieces = [piece(size_bytes=50), piece(size_bytes=50)]
    assert not in_hand.has_room()


def test_there_is_always_room_for_one_batch() -> None:
    in_hand: InHand[int] = InHand(Bounds(messages=1, bytes=1))
    assert in_hand.has_room()
    in_hand.pieces = [piece()]
    assert not in_hand.has_room()


def test_leases_are_due_before_they_end_and_never_after() -> None:
    in_hand: InHand[int] = InHand(Bounds(10, 10))
    young, old = piece(pulled_at=5), piece(pulled_at=0)
    in_hand.pieces = [young, old]
    assert in_hand.due(now=2) == []
    assert in_hand.due(now=4) == [old]
    assert in_hand.due(now=9) == [young, old]
    assert in_hand.due(now=10) == [young]
    in_hand.extended([young], seconds=60, now=9)
    assert young.lease_ends == 69
    assert in_hand.due(now=28) == []
    assert in_hand.due(now=29) == [young]


def test_only_what_is_worked_on_can_stand_still() -> None:
    in_hand: InHand[int] = InHand(Bounds(10, 10))
    waiting, working = piece(), piece()
    assert in_hand.still_s(now=100, last_beat=lambda _: 0) == 0
    in_hand.pieces = [waiting, working]
    assert in_hand.still_s(now=100, last_beat=lambda _: 0) == 0
    working.working_since = 40
    assert in_hand.still_s(now=100, last_beat=lambda _: 0) == 60
    assert in_hand.still_s(now=100, last_beat=lambda _: 90) == 10


def test_one_piece_that_moves_does_not_hide_another_that_stands_still() -> None:
    in_hand: InHand[int] = InHand(Bounds(10, 10))
    moving, hanging = piece(), piece()
    in_hand.pieces = [moving, hanging]
    moving.working_since, moving.thread = 10, 1
    hanging.working_since, hanging.thread = 40, 2
    assert in_hand.still_s(now=100, last_beat={1: 99.0, 2: 40.0}.__getitem__) == 60
