"""Pieces that tests of the runtime share: a client that speaks Kafka as other systems do, and running services."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

import runtime
from contracts.envelope import Envelope, encode, read
from contracts.message import PARTITIONS, Message
from contracts.partition import partition_of
from runtime.app import Running
from runtime.decision import Service
from runtime.ids import new_id
from runtime.settings import Settings
from tests.access import keys_file
from tests.toy import toy
from tests.waiting import eventually

TOY_TOPICS = (
    *("toy.commands.v1", "toy.events.v1", "toy.dead_letters.v1"),
    *("mirror.commands.v1", "carrier.events.v1", "mirror.dead_letters.v1"),
)
SERVICE_ACTOR = {"id": "tests", "role": "service"}


async def fresh_topics(bootstrap: str, topics: Sequence[str] = TOY_TOPICS) -> None:
    """The topics, empty: deleted where they exist, and made anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        old = [topic for topic in topics if topic in await admin.list_topics()]
        if old:
            await admin.delete_topics(old)

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await eventually(gone)
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics])
    finally:
        await admin.close()


class Client:
    """Another system: publishes commands, reads what is published."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self.producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=500_000)

    async def send(self, *messages: Message, ids: Sequence[str] = ()) -> list[str]:
        """Publishes messages in order, waits until the broker has them, returns their ids."""
        used, sent = [], []
        for number, message in enumerate(messages):
            id = ids[number] if ids else new_id()
            topic, key, headers, value = encode(
                message,
                id=id,
                source="tests",
                time=datetime.now(UTC),
                correlation_id=message.key,
                causation_id="",
                sequence=0,
            )
            sent.append(await self.producer.send(topic, value, key, partition_of(key), headers=headers))
            used.append(id)
        for one in sent:
            await one
        return used

    async def send_raw(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, Any]] = ()
    ) -> None:
        """Publishes any bytes."""
        partition = partition_of(key) if key else 0
        await self.producer.send_and_wait(topic, value, key, partition, headers=list(headers))

    async def everything(self, topic: str) -> list[Envelope]:
        """All messages of a topic so far, in order within each partition."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self._bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            consumer.assign(places)
            ends = await consumer.end_offsets(places)
            await consumer.seek_to_beginning(*places)
            found: list[Envelope] = []
            while any([await consumer.position(place) < ends[place] for place in places]):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [read(record.headers, record.key, record.value) for record in records]
            return found
        finally:
            await consumer.stop()


@asynccontextmanager
async def client(bootstrap: str) -> AsyncIterator[Client]:
    """A started client."""
    one = Client(bootstrap)
    await one.producer.start()
    try:
        yield one
    finally:
        await one.producer.stop()


def settings_for(database: str, bootstrap: str, **more: Any) -> Settings:
    """Settings of a service in this process."""
    given: dict[str, Any] = {
        "database_url": database,
        "kafka_bootstrap": bootstrap,
        "environment": "test",
        "session_timeout": 6,
        "timer_poll": 0.02,
        "oidc_keys_file": keys_file(),
    }
    return Settings(**given | more)


@asynccontextmanager
async def running(service: Service, database: str, bootstrap: str, **more: Any) -> AsyncIterator[Running]:
    """A service in this process, up and with its partitions; stopped in order afterwards."""
    one = Running(service, settings_for(database, bootstrap, **more), (runtime.MIGRATIONS, toy.MIGRATIONS))
    one.begin()
    try:
        await eventually(lambda: one.starting == "" and one.intake and one.intake.assigned(), within=30)
        yield one
    finally:
        await one.stop()


def add(tally: str, number: int, padding: int = 0) -> toy.Add:
    """The command that a test sends most."""
    return toy.Add.model_validate({"actor": SERVICE_ACTOR, "tally": tally, "number": number, "padding": padding})


async def numbers(database: str, tally: str) -> list[int]:
    """What was added to a tally, in order."""
    return list(await _field(database, "SELECT state->'numbers' FROM tallies WHERE id = $1", tally))


async def totals(database: str, tally: str) -> list[int]:
    """What the mirror was told of a tally, in order."""
    return list(await _field(database, "SELECT state->'totals' FROM seen WHERE id = $1", tally))


async def _field(database: str, sql: str, id: str) -> list[int]:

    connection = await asyncpg.connect(database)
    try:
        found = await connection.fetchval(sql, id)
        return msgspec.json.decode(found) if found else []
    finally:
        await connection.close()
