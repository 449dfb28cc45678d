"""The schemas that the server knows, with their revisions, and the check of a topic's messages against them."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from emulator.pubsub.avro import AvroError, AvroSchema, parse_schema
from emulator.pubsub.avro_check import check_binary, check_json
from emulator.pubsub.clock import now_s
from emulator.pubsub.errors import PubSubError, invalid, not_found, unimplemented
from emulator.pubsub.wire import Encoding, Message, Schema, SchemaType, grpc

DELETED_SCHEMA = "_deleted-schema_"

_CHECKS: Mapping[int, Callable[[AvroSchema, bytes], None]] = {
    int(Encoding.JSON): check_json,
    int(Encoding.BINARY): check_binary,
}


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of a schema: what the API tells about it, and its parsed form."""

    config: Message
    avro: AvroSchema

    @property
    def id(self) -> str:
        """The revision's id, 8 hexadecimal digits."""
        return str(self.config.revision_id)


def parse_definition(schema: Message) -> AvroSchema:
    """Parse an Avro schema or raise INVALID_ARGUMENT; for protocol buffers UNIMPLEMENTED, as Google's emulator does."""
    kind = schema.type_
    if kind == SchemaType.PROTOCOL_BUFFER:
        raise unimplemented("Protocol buffer schemas are not implemented in the emulator")
    if kind != SchemaType.AVRO:
        raise invalid("Invalid schema type")
    try:
        return parse_schema(schema.definition)
    except AvroError as error:
        raise invalid(f"Could not parse schema definition: {error}") from error


def check_message(avro: AvroSchema, encoding: int, data: bytes) -> None:
    """Raise INVALID_ARGUMENT unless the message fits."""
    check = _CHECKS.get(encoding)
    if check is None:
        raise invalid("Invalid encoding")
    try:
        check(avro, data)
    except AvroError as error:
        raise invalid(f"Could not parse message: {error}") from error


class SchemaRegistry:
    """Revisions by schema name, oldest first. A name may carry a revision: `projects/p/schemas/s@1a2b3c4d`."""

    def __init__(self) -> None:
        self._revisions: dict[str, list[Revision]] = {}

    def names(self) -> list[str]:
        """Return the names of all schemas, sorted."""
        return sorted(self._revisions)

    def exists(self, name: str) -> bool:
        """Tell whether the schema exists."""
        return name in self._revisions

    def add(self, name: str, schema: Message) -> Revision:
        """Store a schema as the newest revision under `name`."""
        avro = parse_definition(schema)
        config = Schema(name=name, type_=schema.type_, definition=schema.definition, revision_id=secrets.token_hex(4))
        config.revision_create_time.FromNanoseconds(int(now_s() * 1e9))
        revision = Revision(config, avro)
        self._revisions.setdefault(name, []).append(revision)
        return revision

    def revisions(self, name: str) -> list[Revision]:
        """Return a schema's revisions, oldest first, or raise NOT_FOUND."""
        found = self._revisions.get(name.partition("@")[0])
        if not found:
            raise not_found("Schema")
        return found

    def find(self, name: str) -> Revision:
        """Return the revision that the name carries, else the newest, or raise NOT_FOUND."""
        revisions = self.revisions(name)
        wanted = name.partition("@")[2]
        if not wanted:
            return revisions[-1]
        for revision in revisions:
            if revision.id == wanted:
                return revision
        raise not_found("Schema")

    def delete(self, name: str) -> None:
        """Delete a schema with all its revisions."""
        self.revisions(name)
        del self._revisions[name]

    def delete_revision(self, name: str) -> Revision:
        """Delete the revision that the name carries and return the newest left; the last one stays."""
        revision, revisions = self.find(name), self.revisions(name)
        if len(revisions) == 1:
            raise PubSubError(grpc.StatusCode.FAILED_PRECONDITION, "Cannot delete the only revision of a schema")
        revisions.remove(revision)
        return revisions[-1]

    def check_settings(self, settings: Message) -> None:
        """Raise unless a topic can use these settings: the schema exists and the encoding is named."""
        if not self.exists(settings.schema):
            raise PubSubError(grpc.StatusCode.NOT_FOUND, "Schema could not be found")
        if settings.encoding not in _CHECKS:
            raise invalid("Invalid encoding")

    def check_and_mark(self, settings: Message, messages: Sequence[Message]) -> None:
        """Check each message against the topic's revisions, newest first, and mark it with the one that it fits."""
        if not self.exists(settings.schema):
            raise PubSubError(grpc.StatusCode.NOT_FOUND, "Schema associated with topic deleted.")
        allowed = list(reversed(self._allowed(settings)))
        encoding = Encoding(settings.encoding).name
        marks = [(message, _fitting(allowed, settings.encoding, message.data)) for message in messages]
        for message, revision in marks:
            message.attributes["googclient_schemaname"] = settings.schema
            message.attributes["googclient_schemaencoding"] = encoding
            message.attributes["googclient_schemarevisionid"] = revision.id

    def _allowed(self, settings: Message) -> list[Revision]:
        revisions = self.revisions(settings.schema)
        ids = [revision.id for revision in revisions]
        first = ids.index(settings.first_revision_id) if settings.first_revision_id in ids else 0
        last = ids.index(settings.last_revision_id) if settings.last_revision_id in ids else len(ids) - 1
        return revisions[first : last + 1]


def _fitting(revisions: Sequence[Revision], encoding: int, data: bytes) -> Revision:
    refused = invalid("Could not parse message")
    for revision in revisions:
        try:
            check_message(revision.avro, encoding, data)
        except PubSubError as error:
            refused = error
        else:
            return revision
    raise refused
