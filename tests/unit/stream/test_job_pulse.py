"""A CSV job shows that it moves with every storage call: the watchdog tells a long job from one that hangs."""

from __future__ import annotations

from cloud.memory import MemoryObjects
from worker.csv_cost import Meter, MeteredObjects


def test_every_storage_call_of_a_job_is_a_beat() -> None:
    beats: list[None] = []
    objects = MeteredObjects(MemoryObjects(), Meter(lambda: 0.0, lambda: beats.append(None)))
    info = objects.put("a", b"x" * 10, content_type="text/plain", if_generation=0)
    objects.info("a")
    objects.get("a")
    list(objects.stream("a", generation=info.generation))
    list(objects.listing(""))
    objects.compose(["a"], "b", content_type="text/plain")
    objects.delete("a")
    assert len(beats) >= 7
