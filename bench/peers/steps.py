"""What one step of an order does to the world, whatever engine calls it: a transaction of its own, then its event.

A step is idempotent by order and status, as engines need it: they may run it again after a crash."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import asyncpg
from aiokafka import AIOKafkaProducer

from bench.plan import CURRENCY, Fate, Order

EVENT_BYTES = 390
LINGER_MS = 5


class Status(StrEnum):
    """Where an order stands; its steps in the order in which they come."""

    PLACED = "placed"
    PAID = "paid"
    HELD = "held"
    SCREENED = "screened"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    DISPUTED = "disputed"
    SPLIT = "split"
    REFUNDED = "refunded"


FINAL = {Fate.CONFIRMED: Status.RELEASED, Fate.DISPUTED: Status.SPLIT, Fate.UNSHIPPED: Status.REFUNDED}

SCHEMA = """
CREATE TABLE orders (
    order_id  text PRIMARY KEY,
    buyer_id  text NOT NULL,
    seller_id text NOT NULL,
    amount    bigint NOT NULL CHECK (amount > 0),
    status    text NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE entries (
    order_id text NOT NULL REFERENCES orders,
    movement text NOT NULL,
    account  text NOT NULL,
    amount   bigint NOT NULL,
    PRIMARY KEY (order_id, movement, account)
);
"""
PLACE = """
INSERT INTO orders (order_id, buyer_id, seller_id, amount, status) VALUES ($1, $2, $3, $4, 'placed')
ON CONFLICT (order_id) DO NOTHING
"""
ADVANCE = """
WITH moved AS (UPDATE orders SET status = $3 WHERE order_id = $1 AND status = $2 RETURNING order_id)
INSERT INTO entries (order_id, movement, account, amount)
SELECT order_id, $3, account, amount FROM moved, unnest($4::text[], $5::bigint[]) AS entry (account, amount)
"""


def order_of(command: Mapping[str, Any]) -> Order:
    """The order that a command in JSON asks for."""
    return Order(**{**command, "fate": Fate(command["fate"])})


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a movement, in minor units: what the account is given, negative what it gives."""

    account: str
    amount: int


def movement(order: Order, status: Status) -> list[Entry]:
    """The entries of the movement of money that comes with a status, which sum to zero; none if no money moves."""
    match status:
        case Status.HELD:
            return [Entry("provider", -order.amount), Entry("escrow", order.amount)]
        case Status.RELEASED | Status.SPLIT | Status.REFUNDED:
            to_seller = order.amount - order.to_buyer
            given = [Entry(f"seller:{order.seller_id}", to_seller), Entry(f"buyer:{order.buyer_id}", order.to_buyer)]
            return [Entry("escrow", -order.amount), *(entry for entry in given if entry.amount)]
        case _:
            return []


def event(order: Order, status: Status) -> bytes:
    """JSON of `EVENT_BYTES` bytes; `id` is the same however often the step runs."""
    said = {
        "id": f"{order.order_id}:{status}",
        "type": f"orders.order_{status}.v1",
        "order_id": order.order_id,
        "buyer_id": order.buyer_id,
        "seller_id": order.seller_id,
        "amount": order.amount,
        "currency": CURRENCY,
        "note": "",
    }
    said["note"] = "." * (EVENT_BYTES - len(json.dumps(said)))
    return json.dumps(said).encode()


class Books:
    """The orders and the ledger in PostgreSQL, and the topic of events, for the steps of one process."""

    def __init__(self, pool: asyncpg.Pool, producer: AIOKafkaProducer, topic: str) -> None:
        self._pool = pool
        self._producer = producer
        self._topic = topic

    @classmethod
    async def open(cls, postgres: str, kafka: str, topic: str, *, connections: int) -> Self:
        pool = await asyncpg.create_pool(postgres, min_size=connections, max_size=connections)
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=256 * 1024,
        )
        await producer.start()
        return cls(pool, producer, topic)

    async def close(self) -> None:
        await self._producer.stop()
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def step(self, order: Order, before: Status | None, status: Status) -> None:
        """Brings an order from one status to the next with its entries, and has its event in Kafka when it returns.
        Nothing happens to an order that has gone on already, but its event may come twice."""
        if before is None:
            await self._pool.execute(PLACE, order.order_id, order.buyer_id, order.seller_id, order.amount)
        else:
            entries = movement(order, status)
            accounts, amounts = [entry.account for entry in entries], [entry.amount for entry in entries]
            await self._pool.execute(ADVANCE, order.order_id, before, status, accounts, amounts)
        await self._producer.send_and_wait(self._topic, event(order, status), key=order.order_id.encode())
