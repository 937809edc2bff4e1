"""Kafka lets in who is known, and each does what its rights say and nothing else. Run on the real deployment."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from contracts.registry import dead_letter_topic
from holdfast.acls import ADMIN, OPERATOR, of_holdfast
from holdfast.addresses import Addresses
from holdfast.compose import OWNERS, secrets_folder
from runtime.provision import Kind, Operation, Right, grant, granted, provision

Client = Callable[[str], Mapping[str, Any]]
RIGHTS = of_holdfast()
WITHIN = 30.0
"""Seconds; whatever is refused is refused sooner."""


@pytest.fixture(scope="session")
def client(addresses: Addresses) -> Client:
    """Arguments for a client of aiokafka that comes as a principal."""
    return lambda principal: {
        **addresses.kafka_client(),
        "sasl_plain_username": principal,
        "sasl_plain_password": (secrets_folder() / f"kafka_{principal}").read_text(),
    }


@pytest.mark.parametrize("principal", OWNERS)
async def test_a_service_can_write_to_no_topic_but_those_it_writes_to(principal: str, client: Client) -> None:
    forbidden = set(RIGHTS.topics) - set(RIGHTS.principals[principal].writes)
    assert forbidden
    async with AIOKafkaProducer(**client(principal), request_timeout_ms=10_000) as producer:
        for topic in sorted(forbidden):
            with pytest.raises(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"{}", b"forged", partition=0)
        # It is not that it can write nowhere: nobody reads what lies here.
        await producer.send_and_wait(dead_letter_topic(principal), b"{}", b"test", partition=0)


@pytest.mark.parametrize("principal", OWNERS)
async def test_a_service_can_read_no_topic_but_those_it_reads(principal: str, client: Client) -> None:
    forbidden = set(RIGHTS.topics) - set(RIGHTS.principals[principal].reads)
    for topic in sorted(forbidden):
        consumer = AIOKafkaConsumer(topic, **client(principal), auto_offset_reset="earliest")
        try:
            with pytest.raises(TopicAuthorizationFailedError):
                async with asyncio.timeout(WITHIN):
                    # Of what it may not even know of, it is told so at once; of what it only writes, when it reads.
                    await consumer.start()
                    await consumer.getone()
        finally:
            await consumer.stop()


async def test_nobody_joins_the_group_of_another_and_takes_its_messages(client: Client) -> None:
    consumer = AIOKafkaConsumer("identity.commands.v1", **client("identity"), group_id="escrow")
    try:
        with pytest.raises(GroupAuthorizationFailedError):
            async with asyncio.timeout(WITHIN):
                await consumer.start()
                await consumer.getone()
    finally:
        await consumer.stop()


async def test_an_operator_publishes_no_event(client: Client) -> None:
    async with AIOKafkaProducer(**client(OPERATOR)) as producer:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait("payments.events.v1", b"{}", b"forged", partition=0)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param({"security_protocol": "PLAINTEXT"}, id="says nothing"),
        pytest.param({"sasl_plain_password": "guessed"}, id="wrong password"),
        pytest.param({"sasl_plain_username": "nobody"}, id="unknown name"),
        pytest.param({"sasl_mechanism": "PLAIN"}, id="password in the clear"),
    ],
)
async def test_who_is_not_known_does_not_get_in(stranger: dict[str, str], client: Client) -> None:
    admin = AIOKafkaAdminClient(**{**client(OPERATOR), **stranger}, request_timeout_ms=5_000)
    try:
        with pytest.raises(KafkaError):
            async with asyncio.timeout(WITHIN):
                await admin.start()
    finally:
        await admin.close()


async def test_no_topic_is_made_by_use(client: Client) -> None:
    async with AIOKafkaProducer(**client(ADMIN), request_timeout_ms=3_000) as producer:
        with pytest.raises((UnknownTopicOrPartitionError, KafkaError)):
            await producer.send_and_wait("made.by.use", b"{}", partition=0)
    admin = AIOKafkaAdminClient(**client(ADMIN))
    await admin.start()
    try:
        assert "made.by.use" not in await admin.list_topics()
    finally:
        await admin.close()


async def test_what_is_declared_is_all_that_is_allowed_and_a_right_too_many_is_taken_back(client: Client) -> None:
    too_many = Right("identity", Kind.TOPIC, "escrow.events.v1", Operation.WRITE)
    admin = AIOKafkaAdminClient(**client(ADMIN))
    await admin.start()
    try:
        # given
        assert await granted(admin) == RIGHTS.of_all()
        await grant(admin, RIGHTS.of_all() | {too_many})
        assert await granted(admin) == RIGHTS.of_all() | {too_many}
        # when
        await provision(client(ADMIN), RIGHTS)
        # then
        assert await granted(admin) == RIGHTS.of_all()
    finally:
        await grant(admin, RIGHTS.of_all())
        await admin.close()
