"""`google.pubsub.v1.SchemaService`: Avro schemas, their revisions, and checks on request."""

from collections.abc import Mapping
from typing import ClassVar

from emulator.pubsub.broker import Broker
from emulator.pubsub.errors import already_exists
from emulator.pubsub.names import check_name, check_project, page
from emulator.pubsub.rpc import Context
from emulator.pubsub.schemas import DELETED_SCHEMA, SchemaRegistry, check_message, parse_definition
from emulator.pubsub.wire import (
    Empty,
    ListSchemaRevisionsResponse,
    ListSchemasResponse,
    Message,
    Schema,
    SchemaView,
    ValidateMessageResponse,
    ValidateSchemaResponse,
)


class SchemaService:
    """The methods of the service by their names in the API."""

    REQUESTS: ClassVar[Mapping[str, str]] = {
        "CreateSchema": "CreateSchemaRequest",
        "GetSchema": "GetSchemaRequest",
        "ListSchemas": "ListSchemasRequest",
        "ListSchemaRevisions": "ListSchemaRevisionsRequest",
        "CommitSchema": "CommitSchemaRequest",
        "RollbackSchema": "RollbackSchemaRequest",
        "DeleteSchemaRevision": "DeleteSchemaRevisionRequest",
        "DeleteSchema": "DeleteSchemaRequest",
        "ValidateSchema": "ValidateSchemaRequest",
        "ValidateMessage": "ValidateMessageRequest",
    }

    def __init__(self, broker: Broker, schemas: SchemaRegistry) -> None:
        self._broker = broker
        self._schemas = schemas

    async def CreateSchema(self, request: Message, _context: Context) -> Message:
        """Create a schema with its first revision."""
        name = check_name("schemas", f"{check_project(request.parent)}/schemas/{request.schema_id}")
        if self._schemas.exists(name):
            raise already_exists("Schema")
        return self._schemas.add(name, request.schema).config

    async def GetSchema(self, request: Message, _context: Context) -> Message:
        """Return a schema at its newest revision, or at the one that the name carries."""
        return _view(self._schemas.find(request.name).config, request.view or SchemaView.FULL)

    async def ListSchemas(self, request: Message, _context: Context) -> Message:
        """List the schemas of a project by name, each at its newest revision."""
        prefix = check_project(request.parent) + "/"
        names = [name for name in self._schemas.names() if name.startswith(prefix)]
        some, token = page(names, request.page_size, request.page_token)
        configs = [_view(self._schemas.find(name).config, request.view) for name in some]
        return ListSchemasResponse(schemas=configs, next_page_token=token)

    async def ListSchemaRevisions(self, request: Message, _context: Context) -> Message:
        """List the revisions of a schema, oldest first."""
        revisions = self._schemas.revisions(request.name)
        some, token = page(revisions, request.page_size, request.page_token)
        configs = [_view(revision.config, request.view) for revision in some]
        return ListSchemaRevisionsResponse(schemas=configs, next_page_token=token)

    async def CommitSchema(self, request: Message, _context: Context) -> Message:
        """Add a revision to a schema."""
        self._schemas.revisions(request.name)
        return self._schemas.add(request.name, request.schema).config

    async def RollbackSchema(self, request: Message, _context: Context) -> Message:
        """Add a revision that repeats an older one."""
        older = self._schemas.find(f"{request.name}@{request.revision_id}")
        return self._schemas.add(request.name, older.config).config

    async def DeleteSchemaRevision(self, request: Message, _context: Context) -> Message:
        """Delete the revision that the name carries."""
        return self._schemas.delete_revision(request.name).config

    async def DeleteSchema(self, request: Message, _context: Context) -> Message:
        """Delete a schema; topics that used it refuse messages from then on."""
        self._schemas.delete(request.name)
        for topic in self._broker.topics.values():
            if topic.schema_settings.schema == request.name:
                topic.schema_settings.schema = DELETED_SCHEMA
        return Empty()

    async def ValidateSchema(self, request: Message, _context: Context) -> Message:
        """Check a schema without storing it."""
        check_project(request.parent)
        parse_definition(request.schema)
        return ValidateSchemaResponse()

    async def ValidateMessage(self, request: Message, _context: Context) -> Message:
        """Check a message against a stored schema or one in the request."""
        check_project(request.parent)
        if request.WhichOneof("schema_spec") == "name":
            avro = self._schemas.find(request.name).avro
        else:
            avro = parse_definition(request.schema)
        check_message(avro, request.encoding, request.message)
        return ValidateMessageResponse()


def _view(config: Message, view: int) -> Message:
    """Return the schema without its definition unless the full view is asked for."""
    if view == SchemaView.FULL:
        return config
    basic = Schema()
    basic.CopyFrom(config)
    basic.ClearField("definition")
    return basic
