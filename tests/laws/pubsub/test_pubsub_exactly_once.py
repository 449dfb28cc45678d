import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1.subscriber import futures
from google.cloud.pubsub_v1.subscriber._protocol import requests, streaming_pull_manager
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeStatus

from tests.laws.pubsub.conftest import Cloud

PERMANENT = "PERMANENT_FAILURE_INVALID_ACK_ID"


def failures(error: exceptions.GoogleAPICallError) -> dict[str, str]:
    """Return what the client library reads from the error, with its own code."""
    return dict(streaming_pull_manager._get_ack_errors(error) or {})


def test_stale_ids_are_ignored_without_exactly_once(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic)
    cloud.publish(topic, b"x")
    received = cloud.pull(subscription, 1)
    cloud.acknowledge(subscription, received)
    cloud.acknowledge(subscription, received)
    cloud.give_back(subscription, received)


def test_a_stale_id_is_a_permanent_failure_under_exactly_once(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    cloud.publish(topic, b"x")
    received = cloud.pull(subscription, 1)
    cloud.acknowledge(subscription, received)
    for call in (cloud.acknowledge, cloud.give_back):
        with pytest.raises(exceptions.InvalidArgument) as refused:
            call(subscription, received)
        assert failures(refused.value) == {received[0].ack_id: PERMANENT}


def test_a_redelivered_message_makes_the_old_id_stale(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    cloud.publish(topic, b"x")
    old = cloud.pull(subscription, 1)
    cloud.give_back(subscription, old)
    new = cloud.pull(subscription, 1)
    with pytest.raises(exceptions.InvalidArgument):
        cloud.acknowledge(subscription, old)
    cloud.acknowledge(subscription, new)


def test_the_valid_ids_beside_a_stale_one_take_effect(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    cloud.publish(topic, b"stale", b"good")
    stale, good = cloud.pull(subscription, 2)
    cloud.acknowledge(subscription, [stale])
    with pytest.raises(exceptions.InvalidArgument) as refused:
        cloud.acknowledge(subscription, [stale, good])
    permanent = [ack_id for ack_id, failure in failures(refused.value).items() if failure == PERMANENT]
    assert permanent == [stale.ack_id]
    assert cloud.pull_ready(subscription) == []


@pytest.mark.official_differs("the client takes the valid ids of a mixed request for failed")
def test_the_client_confirms_the_valid_ids_of_a_mixed_request(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    cloud.publish(topic, b"stale", b"good")
    stale, good = cloud.pull(subscription, 2)
    cloud.acknowledge(subscription, [stale])
    with pytest.raises(exceptions.InvalidArgument) as refused:
        cloud.acknowledge(subscription, [stale, good])
    waiting = {one.ack_id: requests.AckRequest(one.ack_id, 0, 0, "", futures.Future()) for one in (stale, good)}
    status = streaming_pull_manager._get_status(refused.value)
    _, repeat = streaming_pull_manager._process_requests(status, waiting, failures(refused.value))
    assert [request.ack_id for request in repeat] == [good.ack_id]
    assert waiting[stale.ack_id].future.exception().error_code == AcknowledgeStatus.INVALID_ACK_ID
    cloud.acknowledge(subscription, [good])  # what the client does next
    with pytest.raises(exceptions.InvalidArgument):
        cloud.acknowledge(subscription, [good])


def test_a_valid_extension_beside_a_stale_one_takes_effect(cloud: Cloud) -> None:
    topic = cloud.topic()
    subscription = cloud.subscription(topic, enable_exactly_once_delivery=True)
    cloud.publish(topic, b"stale", b"good")
    stale, good = cloud.pull(subscription, 2)
    cloud.acknowledge(subscription, [stale])
    with pytest.raises(exceptions.InvalidArgument):
        cloud.give_back(subscription, [stale, good])
    assert cloud.pull_one(subscription).message.data == good.message.data
