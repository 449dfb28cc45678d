"""Push delivery: the server posts each message to the subscription's endpoint, and the answer's status decides.

Format and rules: https://cloud.google.com/pubsub/docs/push. There is no Authorization header, as in Google's emulator.
"""

import asyncio
import base64
import contextlib
import json
from typing import Any

from emulator.pubsub.channel import Channel
from emulator.pubsub.http_post import post_json
from emulator.pubsub.subscription import Delivery

MAX_OUTSTANDING = 16
_ACCEPTED = frozenset({102, 200, 201, 202, 204})
_FIRST_BACKOFF_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_MOST_DOUBLINGS = 10


class PushDelivery:
    """The running deliveries of all push subscriptions. Belongs to the server's event loop; not thread-safe."""

    def __init__(self) -> None:
        self._tasks: dict[Channel, asyncio.Task[None]] = {}

    def configure(self, channel: Channel) -> None:
        """Start or end pushing, as the subscription's configuration now says."""
        wanted = bool(channel.config.push_config.push_endpoint) and not channel.deleted
        if wanted and channel not in self._tasks:
            self._tasks[channel] = asyncio.create_task(_push_forever(channel))
        elif not wanted and channel in self._tasks:
            self._tasks.pop(channel).cancel()

    async def close(self) -> None:
        """End all deliveries, those under way too."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _push_forever(channel: Channel) -> None:
    slots = asyncio.Semaphore(MAX_OUTSTANDING)
    async with asyncio.TaskGroup() as group:
        while True:
            await slots.acquire()
            while not (deliveries := channel.take(1)):
                await channel.wait()
            group.create_task(_push(channel, deliveries[0])).add_done_callback(lambda _: slots.release())


async def _push(channel: Channel, delivery: Delivery) -> None:
    """Post one message; acknowledge it, or give it back.

    Without a retry policy a failing endpoint is met again after a growing pause, in which the message keeps its slot:
    that is what slows the whole subscription down, as the real service does.
    """
    body = json.dumps(_envelope(channel, delivery)).encode()
    endpoint = channel.config.push_config.push_endpoint
    if await post_json(endpoint, body, channel.state.policy.ack_deadline_s) in _ACCEPTED:
        channel.acknowledge([delivery.ack_id])
        return
    if channel.state.policy.retry is None:
        doublings = min(delivery.attempt - 1, _MOST_DOUBLINGS)
        await asyncio.sleep(min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**doublings))
    channel.extend([delivery.ack_id], 0)


def _envelope(channel: Channel, delivery: Delivery) -> dict[str, Any]:
    """Return the wrapped message; the id and the time stand in both spellings, as the real service sends them."""
    message = delivery.entry.message
    published = message.publish_time.ToJsonString()
    wrapped: dict[str, Any] = {
        "data": base64.b64encode(message.data).decode(),
        "messageId": message.message_id,
        "message_id": message.message_id,
        "publishTime": published,
        "publish_time": published,
    }
    if message.attributes:
        wrapped["attributes"] = dict(message.attributes)
    if message.ordering_key:
        wrapped["orderingKey"] = message.ordering_key
    envelope: dict[str, Any] = {"message": wrapped, "subscription": channel.config.name}
    if channel.state.policy.maximum_attempts is not None:
        envelope["deliveryAttempt"] = delivery.attempt
    return envelope
