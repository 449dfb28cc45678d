"""How a method of a service class becomes a gRPC handler: faults first, errors to statuses, raw protobuf both ways."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from emulator.pubsub.errors import PubSubError
from emulator.pubsub.faults import Faults
from emulator.pubsub.wire import Message, any_pb2, error_details_pb2, grpc, request_type, status_pb2

Context = Any
"""A `grpc.aio.ServicerContext`."""

_EXACTLY_ONCE_REASON = "EXACTLY_ONCE_ACKID_FAILURE"
_DOMAIN = "pubsub.googleapis.com"


def generic_handler(service: object, service_name: str, requests: Mapping[str, str], faults: Faults) -> object:
    """Return the handler of `google.pubsub.v1.<service_name>` for the methods named in `requests`.

    `requests` maps a method's name to the name of its request message; the method of the same name on `service` takes
    the request and the context. `StreamingPull` takes an iterator of requests and yields responses.
    """
    handlers = {}
    for name, request in requests.items():
        method = getattr(service, name)
        if name == "StreamingPull":
            make = functools.partial(grpc.stream_stream_rpc_method_handler, _guard_stream(name, method, faults))
        else:
            make = functools.partial(grpc.unary_unary_rpc_method_handler, _guard(name, method, faults))
        handlers[name] = make(request_deserializer=request_type(request).FromString, response_serializer=_serialize)
    return grpc.method_handlers_generic_handler(f"google.pubsub.v1.{service_name}", handlers)


def _serialize(message: Message) -> bytes:
    return bytes(message.SerializeToString())


def _guard(
    name: str, method: Callable[[Message, Context], Awaitable[Message]], faults: Faults
) -> Callable[[Message, Context], Awaitable[Message]]:
    async def call(request: Message, context: Context) -> Message:
        try:
            faults.before(name)
            answer = await method(request, context)
            faults.after(name)
        except PubSubError as error:
            return await _abort(context, error)
        return answer

    return call


def _guard_stream(
    name: str, method: Callable[[AsyncIterator[Message], Context], AsyncIterator[Message]], faults: Faults
) -> Callable[[AsyncIterator[Message], Context], AsyncIterator[Message]]:
    async def call(requests: AsyncIterator[Message], context: Context) -> AsyncIterator[Message]:
        try:
            faults.before(name)
            async for response in method(requests, context):
                yield response
                faults.cut_stream()
        except PubSubError as error:
            await _abort(context, error)

    return call


async def _abort(context: Context, error: PubSubError) -> None:
    if error.ack_failures:
        info = error_details_pb2.ErrorInfo(reason=_EXACTLY_ONCE_REASON, domain=_DOMAIN, metadata=error.ack_failures)
        detail = any_pb2.Any()
        detail.Pack(info)
        # The client drops details whose message differs from the call's.
        status = status_pb2.Status(code=error.code.value[0], message=error.message, details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(error.code, error.message)
