"""How many partitions a topic has is said when it is made, and asked of the broker ever after."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from structlog.testing import capture_logs

from contracts.message import PARTITIONS
from contracts.partition import partition_of
from holdfast import topics
from runtime.kafka_access import KafkaAccess
from runtime.outbox import OutboxRow
from runtime.provision import make_topics
from runtime.relay import KafkaSender
from tests.servers import Kafka

MANY = 9


@pytest.fixture
async def admin(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
def topic() -> str:
    return f"partitions-{uuid4()}"


async def test_a_relay_sends_to_the_partitions_that_the_topic_has(
    kafka: Kafka, admin: AIOKafkaAdminClient, topic: str
) -> None:
    await make_topics(admin, [topic], MANY)
    keys = [b"order-%d" % number for number in range(100)]
    sender = KafkaSender(KafkaAccess(kafka.bootstrap), "tests")
    try:
        await sender.send([OutboxRow(number, topic, key, [], b"{}") for number, key in enumerate(keys)])
    finally:
        await sender.close()
    assert {partition for _, partition in sender.produced} == {partition_of(key, MANY) for key in keys}
    assert len(sender.produced) == MANY


async def test_topics_keep_the_partitions_they_have_and_are_told_of(admin: AIOKafkaAdminClient, topic: str) -> None:
    other = f"{topic}-other"
    assert await make_topics(admin, [topic], MANY) == [topic]
    with capture_logs() as logs:
        assert await make_topics(admin, [topic, other], PARTITIONS) == [other]
    warning = {"event": "topics_keep_their_partitions", "log_level": "warning"}
    assert logs == [warning | {"partitions": {topic: MANY}, "wanted": PARTITIONS}]
    described = await admin.describe_topics([topic, other])
    assert {one["topic"]: len(one["partitions"]) for one in described} == {topic: MANY, other: PARTITIONS}


async def test_the_command_line_finds_all_partitions(
    kafka: Kafka, admin: AIOKafkaAdminClient, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_topics(admin, [topic], MANY)
    monkeypatch.setattr(topics, "ALL", (topic, "nowhere"))
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap)
    try:
        await topics.started(consumer)
        assert topics.places(consumer, topics.ALL) == [TopicPartition(topic, number) for number in range(MANY)]
    finally:
        await consumer.stop()
