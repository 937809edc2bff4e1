"""Consumers with fetch sessions on a real broker."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from runtime import fetch_sessions
from runtime.fetch_sessions import SessionFetcher
from tests.servers import Kafka

PARTITIONS = 8


@pytest.fixture
async def topic(kafka: Kafka, unique: Callable[[str], str]) -> str:
    name = unique("sessions")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, num_partitions=PARTITIONS, replication_factor=1)])
    await admin.close()
    return name


async def produce(kafka: Kafka, topic: str, numbers: range) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        for number in numbers:
            await producer.send(topic, b"%d" % number, partition=number % PARTITIONS)


async def read(consumer: AIOKafkaConsumer, count: int) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [int(record.value) for record in records]
    return sorted(found)


async def consuming(kafka: Kafka, topic: str) -> AIOKafkaConsumer:
    fetch_sessions.install()
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    assert isinstance(consumer._fetcher, SessionFetcher)
    return consumer


async def test_everything_is_read_once_in_rounds_of_some_partitions(kafka: Kafka, topic: str) -> None:
    consumer = await consuming(kafka, topic)
    try:
        for start in (0, 3, 40, 41):
            numbers = range(start, {0: 3, 3: 40, 40: 41, 41: 200}[start])
            await produce(kafka, topic, numbers)
            assert await read(consumer, len(numbers)) == list(numbers)
        (session,) = consumer._fetcher._sessions.values()
        assert session.id and session.epoch > 3
    finally:
        await consumer.stop()


async def test_what_was_read_is_read_again_after_seeking_back(kafka: Kafka, topic: str) -> None:
    consumer = await consuming(kafka, topic)
    try:
        await produce(kafka, topic, range(PARTITIONS))
        assert await read(consumer, PARTITIONS) == list(range(PARTITIONS))
        consumer.seek(TopicPartition(topic, 3), 0)
        assert await read(consumer, 1) == [3]
        await produce(kafka, topic, range(PARTITIONS, 2 * PARTITIONS))
        assert await read(consumer, PARTITIONS) == list(range(PARTITIONS, 2 * PARTITIONS))
    finally:
        await consumer.stop()


async def test_a_partition_that_was_paused_goes_on_where_it_stood(kafka: Kafka, topic: str) -> None:
    consumer = await consuming(kafka, topic)
    try:
        await produce(kafka, topic, range(PARTITIONS))
        await read(consumer, PARTITIONS)
        consumer.pause(TopicPartition(topic, 2))
        await produce(kafka, topic, range(PARTITIONS, 2 * PARTITIONS))
        others = [number for number in range(PARTITIONS, 2 * PARTITIONS) if number % PARTITIONS != 2]
        assert await read(consumer, PARTITIONS - 1) == others
        consumer.resume(TopicPartition(topic, 2))
        assert await read(consumer, 1) == [PARTITIONS + 2]
    finally:
        await consumer.stop()


async def test_a_session_that_the_broker_does_not_know_is_begun_anew(kafka: Kafka, topic: str) -> None:
    consumer = await consuming(kafka, topic)
    try:
        await produce(kafka, topic, range(PARTITIONS))
        await read(consumer, PARTITIONS)
        (session,) = consumer._fetcher._sessions.values()
        before = session.id
        session.id = 12345  # as after a broker has thrown it out
        await produce(kafka, topic, range(PARTITIONS, 2 * PARTITIONS))
        assert await read(consumer, PARTITIONS) == list(range(PARTITIONS, 2 * PARTITIONS))
        assert session.id not in (12345, before)
    finally:
        await consumer.stop()
