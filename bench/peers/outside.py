"""The outside world of an engine under test: a database and topics of its own, orders placed over Kafka, a consumer
that waits for their last events, and the audit of the ledger in the end."""

import json
import time
from dataclasses import asdict, dataclass

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench.peers.steps import FINAL, SCHEMA
from bench.plan import Fate, Mix, orders, tally

PARTITIONS = 12
SHIP_BY = 2.0
"""Seconds an order that is never shipped waits for it, on a durable timer of the engine."""
GIVE_UP_AFTER = 60.0
"""Seconds without an order completed."""
LAST_EVENTS = {f"orders.order_{status}.v1" for status in FINAL.values()}

AUDIT = """
WITH wanted AS (
    SELECT order_id, status, to_buyer
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u (order_id, status, to_buyer)
), sums AS (
    SELECT order_id,
           sum(amount) AS total,
           sum(amount) FILTER (WHERE account = 'escrow') AS escrow,
           coalesce(sum(amount) FILTER (WHERE account LIKE 'buyer:%'), 0) AS to_buyer,
           coalesce(sum(amount) FILTER (WHERE account LIKE 'seller:%'), 0) AS to_seller
    FROM entries GROUP BY order_id
)
SELECT count(*) = $4
       AND bool_and(o.status = w.status AND s.total = 0 AND s.escrow = 0
                    AND s.to_buyer = w.to_buyer AND s.to_seller = o.amount - w.to_buyer)
       AND NOT EXISTS (SELECT FROM entries GROUP BY order_id, movement HAVING sum(amount) <> 0)
FROM wanted w JOIN orders o USING (order_id) JOIN sums s USING (order_id)
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run takes place: the URL of its database, and its topics."""

    database: str
    commands: str
    events: str


@dataclass(frozen=True, slots=True)
class Drained:
    """Orders that were placed and completed, in how many seconds, for how many CPU seconds of this process."""

    completed: int
    seconds: float
    cpu_seconds: float


async def prepare(postgres: str, kafka: str, name: str) -> Place:
    """A fresh database with the tables of the orders, and fresh topics."""
    name = f"{name}_{int(time.time())}"
    place = Place(await make_database(postgres, name), f"{name}.commands", f"{name}.events")
    connection = await asyncpg.connect(place.database)
    await connection.execute(SCHEMA)
    await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in (place.commands, place.events)])
    finally:
        await admin.close()
    return place


async def make_database(postgres: str, name: str) -> str:
    """Makes a database; returns its URL."""
    connection = await asyncpg.connect(postgres)
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return f"{postgres.rpartition('/')[0]}/{name}"


async def drain(kafka: str, place: Place, mix: Mix, run: str, count: int, window: int) -> Drained:
    """Places `count` orders, at most `window` of them in flight besides those that wait for their time to ship, and
    reads events until the last event of each was read, or nothing has come for `GIVE_UP_AFTER` seconds."""
    window += tally(mix, count)[Fate.UNSHIPPED]
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=5)
    consumer = AIOKafkaConsumer(place.events, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await producer.start()
    await consumer.start()
    completed: set[str] = set()
    placed, began, cpu = 0, time.perf_counter(), time.process_time()
    last = began
    try:
        while len(completed) < count and time.perf_counter() - last < GIVE_UP_AFTER:
            room = min(window - (placed - len(completed)), count - placed)
            for order in orders(mix, run, room, placed):
                await producer.send(place.commands, json.dumps(asdict(order)).encode(), order.order_id.encode())
            placed += room
            for records in (await consumer.getmany(timeout_ms=50)).values():
                for record in records:
                    event = json.loads(record.value)
                    if event["type"] in LAST_EVENTS and event["order_id"].startswith(run):
                        completed.add(event["order_id"])
                        last = time.perf_counter()
    finally:
        await producer.stop()
        await consumer.stop()
    return Drained(len(completed), last - began, time.process_time() - cpu)


async def balanced(place: Place, mix: Mix, run: str, count: int) -> bool:
    """Whether every order has come to the end of its fate, everything held for it went to whom it should, nothing is
    left in escrow, and every movement sums to zero."""
    placed = list(orders(mix, run, count))
    connection = await asyncpg.connect(place.database)
    try:
        return bool(
            await connection.fetchval(
                AUDIT,
                [order.order_id for order in placed],
                [FINAL[order.fate] for order in placed],
                [order.to_buyer for order in placed],
                count,
            )
        )
    finally:
        await connection.close()
