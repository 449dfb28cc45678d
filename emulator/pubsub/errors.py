"""The one exception of the server: a gRPC status with its sentence, raised anywhere, answered by `rpc.py`."""

from collections.abc import Mapping

from emulator.pubsub.wire import grpc


class PubSubError(Exception):
    """A request that is answered with a gRPC status other than OK.

    `ack_failures` maps acknowledgement ids to the failure codes of exactly-once delivery; it travels as
    `google.rpc.ErrorInfo` in the status details, where the client libraries look for it.
    """

    def __init__(self, code: grpc.StatusCode, message: str, ack_failures: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.ack_failures = ack_failures or {}


def invalid(message: str) -> PubSubError:
    """Return the error for a request that breaks a rule of the API."""
    return PubSubError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(kind: str) -> PubSubError:
    """Return the error for a resource that does not exist; the official emulator uses the same sentence."""
    if kind == "Subscription":
        return PubSubError(grpc.StatusCode.NOT_FOUND, "Subscription does not exist")
    return PubSubError(grpc.StatusCode.NOT_FOUND, f"{kind} not found")


def already_exists(kind: str) -> PubSubError:
    """Return the error for creating a name twice."""
    return PubSubError(grpc.StatusCode.ALREADY_EXISTS, f"{kind} already exists")


def failed_precondition(message: str) -> PubSubError:
    """Return the error for a request that the resource's state forbids."""
    return PubSubError(grpc.StatusCode.FAILED_PRECONDITION, message)


def unimplemented(message: str) -> PubSubError:
    """Return the error for a part of the API that this server does not have."""
    return PubSubError(grpc.StatusCode.UNIMPLEMENTED, message)
