"""Everything the server knows: topics, subscriptions, snapshots, and how a message gets from one to the others."""

import asyncio
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.pubsub.channel import Channel, OnAcknowledge
from emulator.pubsub.clock import now_s
from emulator.pubsub.entries import Entry
from emulator.pubsub.errors import not_found
from emulator.pubsub.names import project_id, short_id
from emulator.pubsub.wire import Message, PubsubMessage

DELETED_TOPIC = "_deleted-topic_"
_NANOSECONDS = 1_000_000_000
_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class SavedSnapshot:
    """A snapshot: what was unacknowledged when it was made, and what the topic has published since."""

    config: Message
    entries: list[Entry] = field(default_factory=list)


class Broker:
    """The resources and the publish path. Belongs to the server's event loop; not thread-safe."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_acknowledge: OnAcknowledge | None = None) -> None:
        self._loop = loop
        self._on_acknowledge = on_acknowledge
        self.topics: dict[str, Message] = {}
        self.channels: dict[str, Channel] = {}
        self.snapshots: dict[str, SavedSnapshot] = {}
        self._by_topic: dict[str, list[Channel]] = {}
        # From the clock in microseconds: ids of a server that is started again never repeat those of an earlier run,
        # whose results, with keys made of message ids, may be kept.
        self._message_ids = itertools.count(int(now_s() * _MICROSECONDS))

    def topic(self, name: str) -> Message:
        """Return the topic's configuration or raise NOT_FOUND."""
        topic = self.topics.get(name)
        if topic is None:
            raise not_found("Topic")
        return topic

    def channel(self, name: str) -> Channel:
        """Return the subscription or raise NOT_FOUND."""
        channel = self.channels.get(name)
        if channel is None:
            raise not_found("Subscription")
        return channel

    def snapshot(self, name: str) -> SavedSnapshot:
        """Return the snapshot or raise NOT_FOUND."""
        snapshot = self.snapshots.get(name)
        if snapshot is None:
            raise not_found("Snapshot")
        return snapshot

    def publish(self, topic_name: str, messages: Iterable[Message]) -> list[str]:
        """Stamp the messages with id and time, hand them to the topic's subscriptions, and return the ids."""
        published_at = now_s()
        nanoseconds = int(published_at * _NANOSECONDS)
        channels = self._by_topic.get(topic_name, ())
        snapshots = [saved for saved in self.snapshots.values() if saved.config.topic == topic_name]
        ids = []
        for message in messages:
            message.message_id = str(next(self._message_ids))
            message.publish_time.FromNanoseconds(nanoseconds)
            ids.append(message.message_id)
            for channel in channels:
                channel.offer(message, published_at)
            for saved in snapshots:
                saved.entries.append(Entry(message, published_at))
        return ids

    def delete_topic(self, name: str) -> None:
        """Delete a topic; its subscriptions stay, with what they hold, on the topic named `_deleted-topic_`."""
        self.topic(name)
        del self.topics[name]
        for channel in self._by_topic.pop(name, []):
            channel.config.topic = DELETED_TOPIC
        for saved in self.snapshots.values():
            if saved.config.topic == name:
                saved.config.topic = DELETED_TOPIC

    def subscriptions_of(self, topic_name: str) -> list[str]:
        """Return the names of the topic's subscriptions."""
        return sorted(channel.config.name for channel in self._by_topic.get(topic_name, ()))

    def subscribe(self, config: Message) -> Channel:
        """Create the subscription that `config` describes; the caller has checked it."""
        channel = Channel(config, self._loop, self._forward_dead_letter, self._on_acknowledge)
        self.channels[config.name] = channel
        self._by_topic.setdefault(config.topic, []).append(channel)
        return channel

    def unsubscribe(self, channel: Channel) -> None:
        """Take the subscription off its topic and out of the list; those who wait for it are told."""
        del self.channels[channel.config.name]
        channel.deleted = True
        self._leave_topic(channel)
        channel.close()

    def detach(self, channel: Channel) -> None:
        """Take the subscription off its topic and drop its messages; it stays in the list, for good detached."""
        channel.config.detached = True
        self._leave_topic(channel)
        channel.replace([])
        channel.close()

    def _leave_topic(self, channel: Channel) -> None:
        siblings = self._by_topic.get(channel.config.topic, [])
        if channel in siblings:
            siblings.remove(channel)

    def _forward_dead_letter(self, channel: Channel, entry: Entry) -> bool:
        target = channel.config.dead_letter_policy.dead_letter_topic
        if target not in self.topics:
            return False
        letter = PubsubMessage()
        letter.CopyFrom(entry.message)
        source = "CloudPubSubDeadLetterSource"
        letter.attributes[f"{source}DeliveryCount"] = str(entry.attempts)
        letter.attributes[f"{source}Subscription"] = short_id(channel.config.name)
        letter.attributes[f"{source}SubscriptionProject"] = project_id(channel.config.name)
        letter.attributes[f"{source}TopicPublishTime"] = entry.message.publish_time.ToJsonString()
        self.publish(target, [letter])
        return True
