"""The topic port over Pub/Sub, by the client library's publisher: batches, flow control, bounded retry."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial

from google.api_core import retry as api_retry
from google.api_core.timeout import ConstantTimeout
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1 import types as pubsub_types

from cloud.objects import TransientError
from cloud.pubsub_calls import TRANSIENT_ERRORS, translated
from cloud.pubsub_channel import publisher_transport
from cloud.queue import check_message

# A batch closes at 1,000 messages (the service's limit), at 1 MB or after 10 ms.
_BATCH = pubsub_types.BatchSettings(max_messages=1_000, max_bytes=1_000_000, max_latency=0.01)
# Without a limit, whoever reads a file faster than the network takes it fills the memory.
_FLOW = pubsub_types.PublishFlowControl(
    message_limit=10_000,
    byte_limit=64_000_000,
    limit_exceeded_behavior=pubsub_types.LimitExceededBehavior.BLOCK,
)
_PUBLISH_DEADLINE_S = 30.0
_PUBLISH_TRY_S = 10.0
_CLOSE_TIMEOUT_S = 10.0


class PubSubTopic:
    """One topic. Building it connects to nothing. Raises CloudSetupError without credentials."""

    def __init__(self, project: str, name: str) -> None:
        self._name = name
        self._path = f"projects/{project}/topics/{name}"
        self._what = f"the topic {name!r} of project {project!r}"
        self._client = PublisherClient(
            batch_settings=_BATCH,
            publisher_options=pubsub_types.PublisherOptions(
                flow_control=_FLOW,
                retry=_retry(),
                # Not a plain number: the library would shrink it to zero over the tries (python-api-core issue 654).
                timeout=ConstantTimeout(_PUBLISH_TRY_S),
            ),
            transport=publisher_transport(),
        )
        self._settled = threading.Condition()
        self._outstanding = 0
        self._closed = False

    @property
    def name(self) -> str:
        """The topic's name, without `projects/…/`."""
        return self._name

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        """See `Topic.publish`. A repeated request can publish a message twice, under two message ids."""
        check_message(data, attributes)
        answer: Future[str] = Future()
        with self._settled:
            self._outstanding += 1
        try:
            sent = self._client.publish(self._path, data, **attributes)
        except BaseException:
            self._one_settled()
            raise
        sent.add_done_callback(partial(self._settle, answer))
        return answer

    def flush(self, *, timeout_s: float = 60.0) -> None:
        """See `Topic.flush`. Batches are sent by themselves after 10 ms; this waits for their answers."""
        with self._settled:
            if not self._settled.wait_for(lambda: self._outstanding == 0, timeout_s):
                raise TransientError(
                    f"{self._what}: {self._outstanding:,} messages have no answer after {timeout_s:g} s"
                )

    def close(self) -> None:
        """See `Topic.close`. Waits up to 10 s for answers; raises TransientError when some are missing then."""
        if self._closed:
            return
        self._closed = True
        self._client.stop()
        try:
            self.flush(timeout_s=_CLOSE_TIMEOUT_S)
        finally:
            self._client.transport.close()

    def _settle(self, answer: Future[str], sent: Future[str]) -> None:
        error = sent.exception()
        if error is None:
            answer.set_result(sent.result())
        else:
            answer.set_exception(translated(error, self._what))
        self._one_settled()

    def _one_settled(self) -> None:
        with self._settled:
            self._outstanding -= 1
            if self._outstanding == 0:
                self._settled.notify_all()


def _retry() -> api_retry.Retry:
    """Return the library's retry for our errors: its batches are inside the library, so their retry must be, too."""
    return api_retry.Retry(
        predicate=api_retry.if_exception_type(*TRANSIENT_ERRORS),
        initial=0.1,
        maximum=2.0,
        multiplier=2.0,
        timeout=_PUBLISH_DEADLINE_S,
    )
