"""Push delivery to a web server of the test's own."""

import base64
import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import types

from tests.laws.pubsub.conftest import PATIENCE_S, Cloud, eventually


@dataclass
class Endpoint:
    """What was pushed, and the statuses to answer with: 204 when none is planned."""

    url: str = ""
    pushed: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    statuses: "queue.Queue[int]" = field(default_factory=queue.Queue)

    def next(self) -> dict[str, Any]:
        return self.pushed.get(timeout=PATIENCE_S)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    state = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = 204 if state.statuses.empty() else state.statuses.get()
            self.send_response(status)
            self.end_headers()
            state.pushed.put(body)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/push?token=1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def test_a_message_is_posted_to_the_endpoint(cloud: Cloud, endpoint: Endpoint) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, push_config={"push_endpoint": endpoint.url})
    (published,) = cloud.publish(topic, b"caf\xc3\xa9", origin="test")
    body = endpoint.next()
    cloud.subscriber.delete_subscription(subscription=subscription)
    assert body["subscription"] == subscription
    assert base64.b64decode(body["message"]["data"]) == b"caf\xc3\xa9"
    assert body["message"]["attributes"] == {"origin": "test"}
    assert body["message"]["messageId"] == body["message"]["message_id"] == published
    assert body["message"]["publishTime"] == body["message"]["publish_time"]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_any_failure_brings_the_message_again(cloud: Cloud, endpoint: Endpoint, status: int) -> None:
    topic = cloud.topic()
    endpoint.statuses.put(status)
    subscription = cloud.subscription(topic, push_config={"push_endpoint": endpoint.url})
    cloud.publish(topic, b"again")
    first, second = endpoint.next(), endpoint.next()
    cloud.subscriber.delete_subscription(subscription=subscription)
    assert first["message"]["messageId"] == second["message"]["messageId"]


def test_a_message_that_fails_too_often_is_dead_lettered(cloud: Cloud, endpoint: Endpoint) -> None:
    topic, dead_topic = cloud.topic(), cloud.topic()
    dead = cloud.subscription(dead_topic)
    for _ in range(20):
        endpoint.statuses.put(500)
    subscription = cloud.subscription(
        topic,
        push_config={"push_endpoint": endpoint.url},
        dead_letter_policy={"dead_letter_topic": dead_topic, "max_delivery_attempts": 5},
    )
    cloud.publish(topic, b"poison")
    assert cloud.pull_one(dead).message.data == b"poison"
    cloud.subscriber.delete_subscription(subscription=subscription)
    assert endpoint.pushed.qsize() == 5


@pytest.mark.official_differs("the attempt is not told to the endpoint")
def test_the_attempt_is_told_with_a_dead_letter_policy(cloud: Cloud, endpoint: Endpoint) -> None:
    topic = cloud.topic()
    endpoint.statuses.put(500)
    subscription = cloud.subscription(
        topic, push_config={"push_endpoint": endpoint.url}, dead_letter_policy={"dead_letter_topic": cloud.topic()}
    )
    cloud.publish(topic, b"x")
    attempts = [endpoint.next().get("deliveryAttempt") for _ in range(2)]
    cloud.subscriber.delete_subscription(subscription=subscription)
    assert attempts == [1, 2]


def test_a_subscription_changes_between_pull_and_push(cloud: Cloud, endpoint: Endpoint) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"pushed")
    cloud.subscriber.modify_push_config(
        subscription=subscription, push_config=types.PushConfig(push_endpoint=endpoint.url)
    )
    assert base64.b64decode(endpoint.next()["message"]["data"]) == b"pushed"
    _push_to(cloud, subscription, "")
    cloud.publish(topic, b"pulled")
    assert cloud.drain(subscription, 1) == [b"pulled"]


def test_an_endpoint_that_comes_up_later_gets_the_message(cloud: Cloud, endpoint: Endpoint) -> None:
    topic = cloud.topic()
    nobody = "http://127.0.0.1:1/"
    subscription = cloud.subscription(topic, push_config={"push_endpoint": nobody})
    cloud.publish(topic, b"patience")
    cloud.subscriber.modify_push_config(
        subscription=subscription, push_config=types.PushConfig(push_endpoint=endpoint.url)
    )
    assert eventually(lambda: not endpoint.pushed.empty())
    cloud.subscriber.delete_subscription(subscription=subscription)


def test_an_endpoint_that_is_no_address_is_refused(cloud: Cloud) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.subscription(cloud.topic(), push_config={"push_endpoint": "not an address"})


def _push_to(cloud: Cloud, subscription: str, url: str) -> None:
    """Change the subscription to push to `url`, or to pull when it is empty."""
    config = types.PushConfig(push_endpoint=url)
    cloud.subscriber.modify_push_config(subscription=subscription, push_config=config)
