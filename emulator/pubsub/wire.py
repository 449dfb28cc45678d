"""The protobuf and gRPC types that the server speaks, under one roof.

The generated `google.pubsub_v1` classes are proto-plus wrappers, which cost more than the whole rest of a publish or
pull. `.pb()` gives the raw C-backed message class behind each; only those are used in this package. None of these
packages ships type information, so the names are `Any` and the ignores stand here once.
"""

from typing import Any, TypeAlias

import grpc  # type: ignore[import-untyped,unused-ignore]  # grpcio ships no type information
import grpc.aio  # type: ignore[import-untyped,unused-ignore]  # the same
from google.protobuf import (  # type: ignore[import-untyped,unused-ignore]  # protobuf ships no type information
    any_pb2,
    empty_pb2,
)
from google.pubsub_v1 import types
from google.rpc import (  # type: ignore[import-untyped,unused-ignore]  # the same
    error_details_pb2,
    status_pb2,
)

Message: TypeAlias = Any
"""Any raw protobuf message."""

Empty: Any = empty_pb2.Empty
PubsubMessage: Any = types.PubsubMessage.pb()
Snapshot: Any = types.Snapshot.pb()
Schema: Any = types.Schema.pb()
PublishRequest: Any = types.PublishRequest.pb()
PublishResponse: Any = types.PublishResponse.pb()
ListTopicsResponse: Any = types.ListTopicsResponse.pb()
ListTopicSubscriptionsResponse: Any = types.ListTopicSubscriptionsResponse.pb()
ListTopicSnapshotsResponse: Any = types.ListTopicSnapshotsResponse.pb()
ListSubscriptionsResponse: Any = types.ListSubscriptionsResponse.pb()
ListSnapshotsResponse: Any = types.ListSnapshotsResponse.pb()
ListSchemasResponse: Any = types.ListSchemasResponse.pb()
ListSchemaRevisionsResponse: Any = types.ListSchemaRevisionsResponse.pb()
DetachSubscriptionResponse: Any = types.DetachSubscriptionResponse.pb()
PullResponse: Any = types.PullResponse.pb()
StreamingPullResponse: Any = types.StreamingPullResponse.pb()
SeekResponse: Any = types.SeekResponse.pb()
ValidateSchemaResponse: Any = types.ValidateSchemaResponse.pb()
ValidateMessageResponse: Any = types.ValidateMessageResponse.pb()
SchemaType: Any = types.Schema.Type
SchemaView: Any = types.SchemaView
Encoding: Any = types.Encoding

__all__ = ["any_pb2", "error_details_pb2", "grpc", "status_pb2"]
"""What others take from here; the classes above are public as they stand."""


def request_type(name: str) -> Any:  # noqa: ANN401 - a message class, untyped in protobuf
    """Return the raw message class of `google.pubsub.v1.<name>`."""
    return getattr(types, name).pb()
