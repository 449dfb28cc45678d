import pytest
from google.api_core import exceptions

from tests.laws.pubsub.conftest import Cloud


@pytest.mark.official_differs("filters are stored and not applied")
def test_only_messages_that_pass_the_filter_arrive(cloud: Cloud) -> None:
    topic = cloud.topic()
    filtered = cloud.subscription(topic, filter='attributes.model = "tree" AND NOT attributes:test')
    everything = cloud.subscription(topic)
    cloud.publish(topic, b"plain")
    cloud.publish(topic, b"other", model="svc")
    cloud.publish(topic, b"test", model="tree", test="1")
    cloud.publish(topic, b"match", model="tree")
    assert len(cloud.pull(everything, 4)) == 4
    assert [one.message.data for one in cloud.pull_ready(filtered)] == [b"match"]


def test_a_filter_is_told_as_it_was_given(cloud: Cloud) -> None:
    text = 'hasPrefix(attributes.name, "a") OR attributes:b'
    subscription = cloud.subscription(cloud.topic(), filter=text)
    assert cloud.subscriber.get_subscription(subscription=subscription).filter == text


@pytest.mark.official_differs("filters are not read")
@pytest.mark.parametrize("text", ["no such thing ((", "attributes:a AND", "x" * 257])
def test_a_filter_that_is_none_is_refused(cloud: Cloud, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        cloud.subscription(cloud.topic(), filter=text)
