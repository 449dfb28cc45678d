"""The results store: every object is created once, and known again when a write's answer was lost."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cloud.objects import Objects, TransientError
from cloud.once import put_once
from worker.core.pack import ResultObject

_log = logging.getLogger(__name__)

JSON_LINES = "application/x-ndjson"


class ResultsStore:
    """Writes outcomes into the results bucket. Safe to use from several threads."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def commit(self, objects: Iterable[ResultObject]) -> set[int]:
        """Write the objects; return the batch positions all of whose outcomes are durable.

        May block. A transient error costs only the messages of that object; they are not in the returned set.
        Raises ContentConflict when a name holds other bytes, which a content-addressed name never should.
        """
        durable: set[int] = set()
        for item in objects:
            try:
                put_once(self._objects, item.name, item.data, content_type=JSON_LINES)
            except TransientError as error:
                _log.warning("%s was not written, %d messages are given back: %s", item.name, len(item.origins), error)
            else:
                durable |= item.origins
        return durable
