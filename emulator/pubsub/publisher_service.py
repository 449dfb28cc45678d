"""`google.pubsub.v1.Publisher`: topics and publishing."""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from emulator.pubsub.broker import Broker
from emulator.pubsub.errors import already_exists, invalid
from emulator.pubsub.masks import apply_update
from emulator.pubsub.names import check_name, check_project, page
from emulator.pubsub.rpc import Context
from emulator.pubsub.schemas import SchemaRegistry
from emulator.pubsub.wire import (
    DetachSubscriptionResponse,
    Empty,
    ListTopicSnapshotsResponse,
    ListTopicsResponse,
    ListTopicSubscriptionsResponse,
    Message,
    PublishResponse,
)

MAX_MESSAGES = 1000
MAX_REQUEST_BYTES = 10_000_000
MAX_MESSAGE_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_KEY_BYTES = 256
MAX_VALUE_BYTES = 1024
MAX_ORDERING_KEY_BYTES = 1024
"""Limits of the API: https://cloud.google.com/pubsub/quotas#resource_limits."""

_RESERVED_KEY = re.compile("goog(?!client_)")
_MUTABLE = frozenset(
    {"labels", "message_storage_policy", "schema_settings", "message_retention_duration", "kms_key_name"}
)


class PublisherService:
    """The methods of the service by their names in the API."""

    REQUESTS: ClassVar[Mapping[str, str]] = {
        "CreateTopic": "Topic",
        "GetTopic": "GetTopicRequest",
        "UpdateTopic": "UpdateTopicRequest",
        "DeleteTopic": "DeleteTopicRequest",
        "ListTopics": "ListTopicsRequest",
        "ListTopicSubscriptions": "ListTopicSubscriptionsRequest",
        "ListTopicSnapshots": "ListTopicSnapshotsRequest",
        "DetachSubscription": "DetachSubscriptionRequest",
        "Publish": "PublishRequest",
    }

    def __init__(self, broker: Broker, schemas: SchemaRegistry) -> None:
        self._broker = broker
        self._schemas = schemas

    async def CreateTopic(self, request: Message, _context: Context) -> Message:
        """Create a topic; a schema that it names must exist."""
        check_name("topics", request.name)
        if request.name in self._broker.topics:
            raise already_exists("Topic")
        if request.HasField("schema_settings"):
            self._schemas.check_settings(request.schema_settings)
        self._broker.topics[request.name] = request
        return request

    async def GetTopic(self, request: Message, _context: Context) -> Message:
        """Return a topic."""
        return self._broker.topic(check_name("topics", request.topic))

    async def UpdateTopic(self, request: Message, _context: Context) -> Message:
        """Change the fields of a topic that the mask names."""
        topic = self._broker.topic(request.topic.name)
        updated = apply_update(topic, request.topic, request.update_mask, _MUTABLE)
        if updated.HasField("schema_settings"):
            self._schemas.check_settings(updated.schema_settings)
        topic.CopyFrom(updated)
        return topic

    async def DeleteTopic(self, request: Message, _context: Context) -> Message:
        """Delete a topic; its subscriptions stay."""
        self._broker.delete_topic(request.topic)
        return Empty()

    async def ListTopics(self, request: Message, _context: Context) -> Message:
        """List the topics of a project by name."""
        prefix = check_project(request.project) + "/"
        names = sorted(name for name in self._broker.topics if name.startswith(prefix))
        some, token = page(names, request.page_size, request.page_token)
        return ListTopicsResponse(topics=[self._broker.topics[name] for name in some], next_page_token=token)

    async def ListTopicSubscriptions(self, request: Message, _context: Context) -> Message:
        """List the names of a topic's subscriptions."""
        self._broker.topic(request.topic)
        names = self._broker.subscriptions_of(request.topic)
        some, token = page(names, request.page_size, request.page_token)
        return ListTopicSubscriptionsResponse(subscriptions=some, next_page_token=token)

    async def ListTopicSnapshots(self, request: Message, _context: Context) -> Message:
        """List the names of a topic's snapshots."""
        self._broker.topic(request.topic)
        names = sorted(name for name, saved in self._broker.snapshots.items() if saved.config.topic == request.topic)
        some, token = page(names, request.page_size, request.page_token)
        return ListTopicSnapshotsResponse(snapshots=some, next_page_token=token)

    async def DetachSubscription(self, request: Message, _context: Context) -> Message:
        """Detach a subscription from its topic; what it holds is dropped."""
        self._broker.detach(self._broker.channel(request.subscription))
        return DetachSubscriptionResponse()

    async def Publish(self, request: Message, _context: Context) -> Message:
        """Publish all messages of the request, or none when one of them breaks a rule."""
        topic = self._broker.topic(check_name("topics", request.topic))
        check_messages(request.messages)
        if request.ByteSize() > MAX_REQUEST_BYTES:
            raise invalid(f"The request is larger than {MAX_REQUEST_BYTES} bytes")
        if topic.HasField("schema_settings"):
            self._schemas.check_and_mark(topic.schema_settings, request.messages)
        return PublishResponse(message_ids=self._broker.publish(request.topic, request.messages))


def check_messages(messages: Sequence[Message]) -> None:
    """Raise INVALID_ARGUMENT for an empty request, too many messages, or a message that breaks a limit."""
    if not messages:
        raise invalid("No messages to publish")
    if len(messages) > MAX_MESSAGES:
        raise invalid("Too many messages to publish")
    for message in messages:
        if not message.data and not message.attributes:
            raise invalid("Some messages are empty")
        if len(message.data) > MAX_MESSAGE_BYTES:
            raise invalid(f"Message data is larger than {MAX_MESSAGE_BYTES} bytes")
        if message.attributes:
            _check_attributes(message)
        if message.ordering_key and len(message.ordering_key.encode()) > MAX_ORDERING_KEY_BYTES:
            raise invalid(f"Ordering key is longer than {MAX_ORDERING_KEY_BYTES} bytes")


def _check_attributes(message: Message) -> None:
    if len(message.attributes) > MAX_ATTRIBUTES:
        raise invalid(f"A message has more than {MAX_ATTRIBUTES} attributes")
    for key, value in message.attributes.items():
        if not key or len(key.encode()) > MAX_KEY_BYTES or _RESERVED_KEY.match(key):
            raise invalid(f"Attribute key is empty, reserved or longer than {MAX_KEY_BYTES} bytes: {key[:80]!r}")
        if len(value.encode()) > MAX_VALUE_BYTES:
            raise invalid(f"Attribute value is longer than {MAX_VALUE_BYTES} bytes: {key!r}")
