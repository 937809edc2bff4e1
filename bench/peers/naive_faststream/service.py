"""What the five services share: a FastStream app over a database of its own, with an inbox and an outbox in it."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.exceptions import AckMessage
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from faststream.kafka.subscriber.usecase import LogicSubscriber

from bench.peers.naive_faststream.messages import Message

MARKET = os.environ["PEER_MARKET"]
"""Before the name of every topic and group: one Kafka may serve several markets."""
READY = Path(os.environ["PEER_READY"])
"""The folder in which a process leaves a file when its database is open."""
WORKERS = int(os.environ.get("PEER_SUBSCRIBER_WORKERS", "4"))
"""Consumers of a topic in one process. Each has partitions of its own, so messages of one key stay in order."""
CONNECTIONS = 10
AT_ONCE = 100
"""Rows of the outbox that the relay takes at once."""
POLL = 0.1
"""Seconds between two looks into the outbox when nothing wakes the relay."""

SCHEMA = """
CREATE TABLE inbox (id uuid PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id uuid NOT NULL,
    topic      text NOT NULL,
    key        text NOT NULL,
    type       text NOT NULL,
    body       text NOT NULL,
    caused_by  text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """One message being handled: its transaction, and what it says to others."""

    db: Any  # asyncpg's connection, as its pool hands it out
    cause: str

    async def send(self, *messages: Message) -> None:
        """Has messages sent when the transaction is committed."""
        for message in messages:
            await self.db.execute(
                "INSERT INTO outbox (message_id, topic, key, type, body, caused_by) VALUES ($1, $2, $3, $4, $5, $6)",
                uuid4(), message.TOPIC, message.key, type(message).__name__, message.model_dump_json(), self.cause,
            )  # fmt: skip


class Service:
    """A service `name`: its broker, its database with `schema`, and the relay between the two."""

    def __init__(self, name: str, schema: str) -> None:
        self.name = name
        self.broker = KafkaBroker(
            os.environ["PEER_KAFKA"], acks="all", enable_idempotence=True, logger=None, allow_auto_create_topics=False
        )
        self.app = FastStream(self.broker, lifespan=self._lifespan)
        self._schema = SCHEMA + schema
        self._pool: Any = None
        self._wake = asyncio.Event()
        self._background: list[Callable[[], Any]] = [self._relay]

    def subscriber(self, topic: str) -> LogicSubscriber[Any]:
        """A consumer of a topic, whose handlers take the messages that their filter lets through."""
        return self.broker.subscriber(
            MARKET + topic,
            group_id=MARKET + self.name,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.NACK_ON_ERROR,
            max_workers=WORKERS,
        )

    def background(self, job: Callable[[], Any]) -> None:
        """Has a job run beside the consumers, for as long as the service runs."""
        self._background.append(job)

    @asynccontextmanager
    async def transaction(self, cause: str) -> AsyncIterator[Work]:
        """A transaction for something to do; `cause` names the message or the timer that asked for it."""
        async with self._pool.acquire() as connection, connection.transaction():
            yield Work(connection, cause)
        self._wake.set()

    async def work(self, message: KafkaMessage) -> AsyncIterator[Work]:
        """The dependency of a handler: a transaction in which the message is marked as seen."""
        id = message.headers["id"]
        async with self.transaction(cause=id) as work:
            new = await work.db.fetchval(
                "INSERT INTO inbox (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", UUID(id)
            )
            if not new:
                raise AckMessage
            yield work

    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        return list(await self._pool.fetch(query, *arguments))

    def run(self) -> None:
        """Runs until it is told to stop."""
        logging.basicConfig(level=logging.WARNING)
        uvloop.run(self.app.run())

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        database = f"{os.environ['PEER_POSTGRES']}_{self.name}"
        self._pool = await asyncpg.create_pool(database, min_size=CONNECTIONS, max_size=CONNECTIONS)
        async with self._pool.acquire() as connection, connection.transaction():
            # Replicas start at once; the first makes the tables.
            await connection.execute("SELECT pg_advisory_xact_lock(1)")
            if not await connection.fetchval("SELECT to_regclass('outbox') IS NOT NULL"):
                await connection.execute(self._schema)
        jobs = [asyncio.create_task(self._forever(job)) for job in self._background]
        (READY / f"{self.name}-{os.getpid()}").touch()
        try:
            yield
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await self._pool.close()

    async def _forever(self, job: Callable[[], Any]) -> None:
        while True:
            try:
                await job()
            except Exception:
                log.exception("%s: trying again", self.name)
                await asyncio.sleep(1)

    async def _relay(self) -> None:
        """Publishes what is in the outbox, in its order, and marks it as sent."""
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                "SELECT * FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE", AT_ONCE
            )
            for row in rows:
                headers = {
                    "id": str(row["message_id"]),
                    "type": row["type"],
                    "source": f"/{self.name}",
                    "time": row["made_at"].isoformat(),
                    "causation_id": row["caused_by"],
                    "content-type": "application/json",
                }
                await self.broker.publish(
                    row["body"].encode(),
                    MARKET + row["topic"],
                    key=row["key"].encode(),
                    headers=headers,
                    correlation_id=row["key"],
                )
            sent = [row["id"] for row in rows]
            if sent:
                await connection.execute("UPDATE outbox SET sent_at = now() WHERE id = ANY($1)", sent)
        if len(rows) < AT_ONCE:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL)
            self._wake.clear()


def is_a(message_type: type[Message]) -> Callable[[KafkaMessage], Awaitable[bool]]:
    """A filter for messages of one class."""

    # A coroutine, though it waits for nothing: FastStream runs plain functions in threads, at a tenth of all its CPU.
    async def filter(message: KafkaMessage) -> bool:
        return bool(message.headers["type"] == message_type.__name__)

    return filter


async def ignore() -> None:
    """The handler of what nobody here waits for."""
