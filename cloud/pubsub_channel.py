"""The gRPC channel to Pub/Sub, or to the server that PUBSUB_EMULATOR_HOST names."""

from __future__ import annotations

import os

import google.auth
import grpc  # type: ignore[import-untyped,unused-ignore] # ships no types
from google.auth import exceptions as auth
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from cloud.attempts import NO_CREDENTIALS
from cloud.objects import CloudSetupError

_OPTIONS = (
    # gRPC's default is 4 MB, which one pull of a thousand messages exceeds: it fails, and the client says nothing.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A local server is never behind the proxy that the environment may name.
    ("grpc.enable_http_proxy", 0),
    # Otherwise two clients of one process share a connection, and closing one disturbs the other.
    ("grpc.use_local_subchannel_pool", 1),
)


def subscriber_channel() -> grpc.Channel:
    """Return a channel for the subscriber's calls. Raises CloudSetupError without credentials."""
    emulated = _emulator_channel()
    return emulated or SubscriberGrpcTransport(credentials=_credentials()).grpc_channel


def publisher_transport() -> PublisherGrpcTransport:
    """Return a transport for the publisher client. Raises CloudSetupError without credentials."""
    emulated = _emulator_channel()
    if emulated is not None:
        return PublisherGrpcTransport(channel=emulated)
    return PublisherGrpcTransport(credentials=_credentials())


def _emulator_channel() -> grpc.Channel | None:
    address = os.environ.get("PUBSUB_EMULATOR_HOST")
    return grpc.insecure_channel(address, options=_OPTIONS) if address else None


def _credentials() -> google.auth.credentials.Credentials:
    try:
        credentials, _ = google.auth.default(scopes=SubscriberGrpcTransport.AUTH_SCOPES)
    except auth.DefaultCredentialsError as error:
        raise CloudSetupError(NO_CREDENTIALS) from error
    return credentials
