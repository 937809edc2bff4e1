"""What a message costs, counted where time cannot deceive: statements, encodings, requests and memory."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka.client import AIOKafkaClient

import runtime
from contracts import envelope
from contracts.message import PARTITIONS
from runtime import batch, delivery, outbox
from runtime.clock import RealClock
from runtime.db import as_it_is
from runtime.delivery import Delivery, RawRecord, Reader
from runtime.kafka_access import KafkaAccess
from runtime.metrics import Metrics
from runtime.migrate import migrate
from runtime.outbox import OutboxRow
from runtime.pump import Pump
from runtime.relay import KafkaSender
from tests.servers import Kafka
from tests.toy import toy
from tests.toy.parts import add, client, fresh_topics, running
from tests.waiting import eventually

BATCH = [
    "BEGIN", "WITH inserted AS (INSERT INTO inbox", "WITH w0 AS (INSERT INTO tallies", "COMMIT",
]  # fmt: skip
"""How the statements of a batch begin that makes new aggregates; one that changes them updates instead."""


def records(count: int, group: str = "t") -> list[RawRecord]:
    """Commands for `count` tallies of their own, as they come from Kafka."""
    made = []
    for number in range(count):
        topic, key, headers, value = envelope.encode(
            add(f"{group}-{number}", number),
            id=runtime.ids.new_id(),
            source="tests",
            time=datetime.now(UTC),
            correlation_id=f"{group}-{number}",
            causation_id="",
            sequence=0,
        )
        made.append(RawRecord(topic, 0, number, key, headers, value))
    return made


class Counted:
    """A pump on a database of its own; `statements` are those of the last batch."""

    def __init__(self, pool: Any) -> None:
        self.statements: list[str] = []
        self.pump = Pump(toy.TOY, pool, RealClock(), Metrics("toy"))

    def log(self, record: Any) -> None:
        self.statements.append(" ".join(record.query.split()))

    async def handle(self, count: int, group: str) -> list[str]:
        """The statements of one transaction with so many messages."""
        self.statements.clear()
        reader = Reader(toy.TOY)
        await self.pump._transact([reader.record(record) for record in records(count, group)])
        return list(self.statements)


@pytest.fixture
async def counted(database: str) -> AsyncIterator[Counted]:
    one: Counted

    async def watch(connection: Any) -> None:
        connection.add_query_logger(one.log)

    async with asyncpg.create_pool(database, min_size=1, max_size=1, setup=watch, reset=as_it_is) as pool:
        connection = await asyncpg.connect(database)
        await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
        await connection.close()
        one = Counted(pool)
        yield one


async def test_a_batch_takes_the_same_few_statements_however_many_messages_it_has(counted: Counted) -> None:
    await counted.handle(1, "warm-up")  # the driver asks for types once a connection
    for count in (1, 50, 500):
        made = await counted.handle(count, f"of-{count}")
        assert begin(made, BATCH), made
    changed = await counted.handle(500, "of-500")
    assert begin(changed, [start.replace("INSERT INTO tallies", "UPDATE tallies") for start in BATCH]), changed


def begin(statements: Sequence[str], with_these: Sequence[str]) -> bool:
    """Whether they are as many, and each begins as it should."""
    return len(statements) == len(with_these) and all(map(str.startswith, statements, with_these))


async def test_a_message_is_decoded_once_and_what_it_causes_encoded_once(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            calls[name] += 1
            return function(*arguments, **named)

        return call

    made = records(300)
    for module, name in ((delivery, "read"), (delivery, "decode"), (batch, "encode"), (outbox, "_pack")):
        monkeypatch.setattr(module, name, counting(name, getattr(module, name)))
    await counted.pump._transact([Reader(toy.TOY).record(record) for record in made])
    packed = calls.pop("_pack")
    assert calls == {"read": 300, "decode": 300, "encode": 300}
    assert packed < 300 / 8, "messages share rows of the outbox"


async def test_rows_for_one_topic_are_published_in_one_request(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: Counter[str] = Counter()
    send = AIOKafkaClient.send

    def counting(self: AIOKafkaClient, node: int, request: Any, **named: Any) -> Any:
        requests[type(request).__name__.partition("_")[0]] += 1
        return send(self, node, request, **named)

    await fresh_topics(kafka.bootstrap)
    sender = KafkaSender(KafkaAccess(kafka.bootstrap), "tests")
    try:
        await sender.send(rows(PARTITIONS * 10))
        monkeypatch.setattr(AIOKafkaClient, "send", counting)
        await sender.send(rows(2_000))
    finally:
        await sender.close()
    # One for all partitions; what became ready a moment later may need one more.
    assert 1 <= requests["ProduceRequest"] <= 2, requests


def rows(count: int) -> Sequence[OutboxRow]:
    """Outbox rows over all partitions of one topic."""
    return [
        OutboxRow(number, one.topic.replace("commands", "events"), one.key or b"", list(one.headers), one.value or b"")
        for number, one in enumerate(records(count))
    ]


async def test_what_a_message_leaves_needs_no_collector_of_cycles(kafka: Kafka, database: str) -> None:
    await fresh_topics(kafka.bootstrap)
    messages = 2_000
    async with client(kafka.bootstrap) as sender, running(toy.TOY, database, kafka.bootstrap) as service:
        await sender.send(*(add("warm-up", number) for number in range(100)))
        await eventually(lambda: service.intake and sum(service.intake.handled.values()) >= 100)
        gc.collect()
        gc.disable()
        try:
            await sender.send(*(add(f"t-{number}", number) for number in range(messages)))
            await eventually(lambda: service.intake and sum(service.intake.handled.values()) >= 100 + messages)
            found = gc.collect()
        finally:
            gc.enable()
    # A batch, a request and an answer may leave a few; a cycle with a message in it leaves ten a message and more.
    assert found < messages, found


async def test_nothing_of_a_batch_is_kept_until_the_next_one(kafka: Kafka, database: str) -> None:
    def alive() -> int:
        return sum(type(one) in (Delivery, toy.Tally) for one in gc.get_objects())

    await fresh_topics(kafka.bootstrap)
    gc.collect()
    before = alive()
    async with client(kafka.bootstrap) as sender, running(toy.TOY, database, kafka.bootstrap) as service:
        await sender.send(*(add(f"t-{number}", number) for number in range(100)))
        await eventually(lambda: service.intake and sum(service.intake.handled.values()) >= 100)
        await eventually(lambda: alive() <= before)


def test_reading_a_message_takes_little_memory() -> None:
    reader, made = Reader(toy.TOY), records(1_000)
    reader.record(made[0])
    tracemalloc.start()
    try:
        kept = [reader.record(record) for record in made]
        kilobytes = tracemalloc.get_traced_memory()[0] / len(kept) / 1024
    finally:
        tracemalloc.stop()
    assert 0.5 < kilobytes < 3, f"{kilobytes:.2f} KiB a message"


def test_migrations_add_no_index_to_the_tables_that_every_message_touches() -> None:
    """Each index on them is written with every message."""
    sql = "\n".join(file.read_text() for file in sorted(Path(runtime.MIGRATIONS).glob("*.sql")))
    indexed = Counter(
        line.split(" ON ")[1].split()[0] for line in sql.splitlines() if "CREATE" in line and " ON " in line
    )
    assert (indexed["inbox"], indexed["outbox"], indexed["timers"]) == (0, 0, 1)
