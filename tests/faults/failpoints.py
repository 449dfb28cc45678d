"""25 named places in a worker's life where a run lets it die, fail or hang: a table, and what stands at the ports.

Nothing of this is in the worker's code: the places are calls of its ports, chosen by method, object and moment.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from cloud import connect
from cloud.objects import Objects
from cloud.queue import Subscription, Topic
from worker.settings import Settings

Action = Literal["SIGKILL", "exit", "exception", "hang"]
ACTIONS: tuple[Action, ...] = get_args(Action)

Port = Literal["models", "uploads", "results", "reviews", "notifications", "completions"]
Weather = Literal["fair", "lost answer", "refused", "slow"]
"""What the servers do meanwhile, so that a worker comes to the place at all. `lost answer`: the first write of a batch
takes effect, and its answer is lost. `refused`: such writes fail until the place is reached. `slow`: a job's writes
take so long that its lease must be extended."""


@dataclass(frozen=True, slots=True)
class Place:
    """One call of a port: the first of its method whose object's name matches, before it is made or after."""

    port: Port
    method: str
    when: Literal["before", "after"]
    object: str = ""
    weather: Weather = "fair"
    watched: bool = True
    """Whether the worker's own watchdog sees a hang here; else only who watches the process does."""


_PART = r"/parts/000001\."

FAILPOINTS: Mapping[str, Place] = {
    # A worker starts, and looks whether its models are still current.
    "alias-read-before": Place("models", "get", "before", r"/current\.json", watched=False),
    "scorer-read-after": Place("models", "get", "after", r"/scorer\.npz", watched=False),
    "alias-checked-before": Place("models", "info", "before", r"/current\.json"),
    # A batch of reviews.
    "reviews-pulled-after": Place("reviews", "pull", "after"),
    "predictions-written-before": Place("results", "put", "before", "^reviews/"),
    "predictions-written-after": Place("results", "put", "after", "^reviews/"),
    "rejections-written-after": Place("results", "put", "after", "^rejections/"),
    "taken-name-compared-before": Place("results", "info", "before", "^re(views|jections)/", weather="lost answer"),
    "reviews-acknowledged-before": Place("reviews", "acknowledge", "before"),
    "reviews-acknowledged-after": Place("reviews", "acknowledge", "after"),
    "reviews-given-back-before": Place("reviews", "give_back", "before", weather="refused"),
    # A CSV job.
    "lease-extended-before": Place("notifications", "extend", "before", weather="slow"),
    "lease-extended-after": Place("notifications", "extend", "after", weather="slow"),
    "spec-written-after": Place("results", "put", "after", r"/spec\.json"),
    "file-read-before": Place("uploads", "stream", "before"),
    "part-predictions-written-before": Place("results", "put", "before", _PART + "csv"),
    "part-rejections-written-after": Place("results", "put", "after", _PART + r"rejections\.jsonl"),
    "part-record-written-before": Place("results", "put", "before", _PART + "json"),
    "part-record-written-after": Place("results", "put", "after", _PART + "json"),
    "predictions-composed-before": Place("results", "compose", "before", r"/predictions\.csv"),
    "predictions-composed-after": Place("results", "compose", "after", r"/predictions\.csv"),
    "manifest-written-before": Place("results", "put", "before", r"/manifest\.json"),
    "manifest-written-after": Place("results", "put", "after", r"/manifest\.json"),
    "completion-published-before": Place("completions", "publish", "before"),
    "notification-acknowledged-before": Place("notifications", "acknowledge", "before"),
}


class PlantedError(Exception):
    """An error that no part of the worker expects."""


class Failpoint:
    """Acts once, at its place. What it did is on disk before it acts, so that a run can prove that it was reached."""

    def __init__(self, place: Place, action: Action, reached: Path) -> None:
        self._place = place
        self._action = action
        self._reached = reached
        self._lock = threading.Lock()

    def meet(self, port: Port, method: str, name: str, when: str) -> None:
        """Act if this is the place."""
        place = self._place
        if (port, method, when) != (place.port, place.method, place.when) or not re.search(place.object, name):
            return
        with self._lock:
            if self._reached.exists():
                return
            self._reached.touch()
        self._act()

    def _act(self) -> None:
        match self._action:
            case "SIGKILL":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                os._exit(70)
            case "exception":
                raise PlantedError("a failpoint")
            case "hang":
                threading.Event().wait()


class _Watched:
    """Stands before a port of any kind and lets the failpoint meet each call, before and after."""

    def __init__(self, inner: object, port: Port, failpoint: Failpoint) -> None:
        self._inner = inner
        self._port: Port = port
        self._failpoint = failpoint

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 - as many types as a port has methods
        attribute = getattr(self._inner, method)
        return self._around(method, attribute) if callable(attribute) else attribute

    def _around(self, method: str, call: Callable[..., object]) -> Callable[..., object]:
        def watched(*arguments: Any, **named: Any) -> object:  # noqa: ANN401 - the same
            # Objects take the name first, all but compose; of a queue's calls the argument does not matter.
            name = str(arguments[1 if method == "compose" else 0]) if arguments else ""
            self._failpoint.meet(self._port, method, name, "before")
            result = call(*arguments, **named)
            self._failpoint.meet(self._port, method, name, "after")
            return result

        return watched


@dataclass(frozen=True, slots=True)
class WatchedOpener:
    """Opens the real adapters, each behind the failpoint."""

    settings: Settings
    failpoint: Failpoint

    def open_objects(self, uri: str, *, timeout_s: float = 8.0) -> Objects:
        settings = self.settings
        ports: dict[str, Port] = {settings.models: "models", settings.uploads: "uploads", settings.results: "results"}
        return cast("Objects", _Watched(connect.open_objects(uri, timeout_s=timeout_s), ports[uri], self.failpoint))

    def open_subscription(self, project: str, name: str) -> Subscription:
        port: Port = "reviews" if name == self.settings.reviews_subscription else "notifications"
        return cast("Subscription", _Watched(connect.open_subscription(project, name), port, self.failpoint))

    def open_topic(self, project: str, name: str) -> Topic:
        return cast("Topic", _Watched(connect.open_topic(project, name), "completions", self.failpoint))
