import json

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import Encoding, Schema, SchemaView, types

from tests.laws.pubsub.conftest import PROJECT, Cloud

REVIEW = json.dumps(
    {
        "type": "record",
        "name": "Review",
        "fields": [{"name": "text", "type": "string"}, {"name": "stars", "type": ["null", "int"]}],
    }
)
TEXT_ONLY = json.dumps({"type": "record", "name": "Review", "fields": [{"name": "text", "type": "string"}]})


def avro(definition: str) -> Schema:
    return Schema(type_=Schema.Type.AVRO, definition=definition)


def create(cloud: Cloud, definition: str = REVIEW) -> str:
    short = cloud.name("schemas").rsplit("/", 1)[1]
    return cloud.schemas.create_schema(parent=PROJECT, schema=avro(definition), schema_id=short).name


def test_a_schema_is_created_found_listed_and_deleted(cloud: Cloud) -> None:
    name = create(cloud)
    assert cloud.schemas.get_schema(name=name).definition == REVIEW
    listed = cloud.schemas.list_schemas(request={"parent": PROJECT, "view": SchemaView.FULL})
    assert {one.name: one.definition for one in listed}[name] == REVIEW
    with pytest.raises(exceptions.AlreadyExists):
        cloud.schemas.create_schema(parent=PROJECT, schema=avro(REVIEW), schema_id=name.rsplit("/", 1)[1])
    cloud.schemas.delete_schema(name=name)
    with pytest.raises(exceptions.NotFound):
        cloud.schemas.get_schema(name=name)


@pytest.mark.parametrize(
    "definition", ["", "{", '{"type": "record"}', '{"type": "record", "name": "x y", "fields": []}']
)
def test_what_is_no_schema_is_refused(cloud: Cloud, definition: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.schemas.validate_schema(parent=PROJECT, schema=avro(definition))
    with pytest.raises(exceptions.InvalidArgument):
        create(cloud, definition)


def test_protocol_buffers_are_not_implemented(cloud: Cloud) -> None:
    schema = Schema(type_=Schema.Type.PROTOCOL_BUFFER, definition='syntax = "proto3"; message A { string a = 1; }')
    with pytest.raises(exceptions.MethodNotImplemented):
        cloud.schemas.create_schema(parent=PROJECT, schema=schema, schema_id="proto-schema")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (Encoding.JSON, b'{"text": "good", "stars": null}'),
        (Encoding.JSON, b'{"stars": {"int": 5}, "text": ""}'),
        (Encoding.JSON, b'{"text": "good", "stars": null, "further": 1}'),
        (Encoding.BINARY, b"\x08good\x00"),
        (Encoding.BINARY, b"\x00\x02\x0a"),
    ],
)
def test_a_message_that_fits_is_accepted(cloud: Cloud, encoding: Encoding, message: bytes) -> None:
    request = {"parent": PROJECT, "schema": avro(REVIEW), "message": message, "encoding": encoding}
    cloud.schemas.validate_message(request=request)


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (Encoding.JSON, b"not json"),
        (Encoding.JSON, b'{"text": "a field is missing"}'),
        (Encoding.JSON, b'{"text": 1, "stars": null}'),
        (Encoding.JSON, b'{"text": "the branch is not named", "stars": 5}'),
        (Encoding.JSON, b'{"text": "not an int", "stars": {"int": "5"}}'),
        (Encoding.BINARY, b""),
        (Encoding.BINARY, b"\x50too short"),
        (Encoding.BINARY, b"\x00\x08"),
    ],
)
def test_a_message_that_does_not_fit_is_refused(cloud: Cloud, encoding: Encoding, message: bytes) -> None:
    request = {"parent": PROJECT, "name": create(cloud), "message": message, "encoding": encoding}
    with pytest.raises(exceptions.InvalidArgument):
        cloud.schemas.validate_message(request=request)


def test_a_topic_checks_its_messages(cloud: Cloud) -> None:
    schema = create(cloud)
    topic = cloud.topic(schema_settings={"schema": schema, "encoding": Encoding.JSON})
    subscription = cloud.subscription(topic)
    with pytest.raises(exceptions.InvalidArgument):
        cloud.publish(topic, b"not json")
    cloud.publish(topic, b'{"text": "good", "stars": null}', origin="test")
    attributes = cloud.pull_one(subscription).message.attributes
    assert attributes["googclient_schemaname"] == schema
    assert attributes["googclient_schemaencoding"] == "JSON"
    assert attributes["googclient_schemarevisionid"] == cloud.schemas.get_schema(name=schema).revision_id
    assert attributes["origin"] == "test"


def test_a_topic_needs_a_schema_that_exists_and_fails_without_it(cloud: Cloud) -> None:
    settings = {"schema": f"{PROJECT}/schemas/missing", "encoding": Encoding.JSON}
    with pytest.raises(exceptions.NotFound):
        cloud.topic(schema_settings=settings)
    schema = create(cloud)
    topic = cloud.topic(schema_settings={"schema": schema, "encoding": Encoding.JSON})
    cloud.schemas.delete_schema(name=schema)
    assert cloud.publisher.get_topic(topic=topic).schema_settings.schema == "_deleted-schema_"
    with pytest.raises(exceptions.NotFound):
        cloud.publisher.publish(topic=topic, messages=[types.PubsubMessage(data=b"{}")])


def test_a_schema_has_revisions(cloud: Cloud) -> None:
    name = create(cloud, TEXT_ONLY)
    first = cloud.schemas.get_schema(name=name).revision_id
    second = cloud.schemas.commit_schema(
        name=name, schema=Schema(name=name, type_=Schema.Type.AVRO, definition=REVIEW)
    ).revision_id
    assert first != second
    assert {one.revision_id for one in cloud.schemas.list_schema_revisions(name=name)} == {first, second}
    assert cloud.schemas.get_schema(name=name).revision_id == second
    assert cloud.schemas.get_schema(name=f"{name}@{first}").definition == TEXT_ONLY
    topic = cloud.topic(schema_settings={"schema": name, "encoding": Encoding.JSON})
    cloud.publish(topic, b'{"text": "fits the first only"}')
