"""What buyers, sellers, the payment provider, the carrier and a mediator do about orders, over Kafka alone."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bench.peers.naive_faststream import messages as m
from bench.plan import CURRENCY, SPLIT_BASIS_POINTS, Fate, Mix, Order, order, seller_id

TOPICS = (
    "orders.events",
    "escrow.events",
    "disputes.events",
    "deposits.events",
    "payments.commands",
    "carrier.commands",
)
GIVE_UP_AFTER = 60.0
"""Seconds without any message."""
TICK = 0.02
"""Seconds between two rounds: nobody waits for an answer here, so the world gathers them and sends fewer batches."""
PAUSE = 0.5
"""Seconds until a step is tried again that came before its service knew enough."""
DAYS = 30 * 24 * 3600.0
"""Seconds by which the clock goes ahead once only orders are left that nobody ships."""
OUTCOMES = {Fate.CONFIRMED: "released", Fate.DISPUTED: "settled", Fate.UNSHIPPED: "refunded"}
MEDIATOR = m.Actor(id="mediator-1", role="mediator")


@dataclass
class Drained:
    """Orders that were placed and completed, in how many seconds, for how many CPU seconds of this process; events
    that were read, and their bytes."""

    completed: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    read: int = 0
    bytes: int = 0


@dataclass
class World:
    """The outside world of one market, for several runs; `clock` is the file of the time that the services go by."""

    kafka: str
    market: str
    clock: Path
    seen: set[str] = field(default_factory=set)
    _ahead: float = 0.0
    _later: list[tuple[float, m.Message]] = field(default_factory=list)

    async def __aenter__(self) -> "World":
        self._producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all", linger_ms=5)
        self._consumer = AIOKafkaConsumer(
            *(self.market + topic for topic in TOPICS), bootstrap_servers=self.kafka, auto_offset_reset="earliest"
        )
        await self._producer.start()
        await self._consumer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._producer.stop()
        await self._consumer.stop()

    async def admit_sellers(self, mix: Mix) -> None:
        """Opens every seller's deposit; returns when all are active."""
        guarantee = m.Money(amount=1_000_00, currency=CURRENCY)
        for number in range(mix.sellers):
            await self._send(m.OpenDeposit(seller_id=seller_id(number), amount=guarantee))
        waiting = mix.sellers
        while waiting:
            waiting -= sum(type == "DepositActivated" for type, _ in await self._hear())

    async def drain(self, mix: Mix, run: str, count: int, window: int) -> Drained:
        """Places `count` orders and answers what becomes of them, at most `window` in flight besides those that nobody
        ships; ends when all are completed, or nothing has come for `GIVE_UP_AFTER` seconds.

        Raises ValueError for an order that ends as its fate does not foresee.
        """
        done = Drained()
        began = last = time.perf_counter()
        cpu = time.process_time()
        placed = overdue = 0
        while done.completed < count and time.perf_counter() - last < GIVE_UP_AFTER:
            room = min(window - (placed - done.completed - overdue), count - placed)
            for number in range(placed, placed + max(room, 0)):
                await self._send(place_order(order(mix, run, number)))
            placed += max(room, 0)
            if placed == count and overdue and overdue == count - done.completed:
                self._ahead, overdue = self._ahead + DAYS, 0
                self.clock.write_text(str(self._ahead))
            await asyncio.sleep(TICK)
            for type, body in await self._hear(done):
                about = (
                    order(mix, run, int(body["order_id"][-8:])) if body.get("order_id", "").startswith(run) else None
                )
                if about is None:
                    continue
                last = time.perf_counter()
                if type == "OrderRested":
                    if body["outcome"] != OUTCOMES[about.fate]:
                        raise ValueError(f"{about} came to be {body['outcome']}")
                    done.completed += 1
                elif type == "FundsSecured" and about.fate is Fate.UNSHIPPED:
                    overdue += 1
                else:
                    await self._answer(type, body, about)
        done.seconds, done.cpu_seconds = last - began, time.process_time() - cpu
        return done

    async def _answer(self, type: str, body: dict[str, Any], about: Order) -> None:
        buyer = m.Actor(id=about.buyer_id, role="buyer")
        seller = m.Actor(id=about.seller_id, role="seller")
        order_id, parcel = about.order_id, {"carrier": "dhl", "tracking_number": f"DHL-{about.order_id[-8:]}"}
        dispute = {"dispute_id": f"dispute-{order_id}", "order_id": order_id}
        match type:
            case "OrderPlaced":
                await self._send(m.PayOrder(order_id=order_id, actor=buyer, method="credit_card"))
            case "CollectPayment":
                await self._send(m.PaymentSucceeded(**body))
            case "PayOut":
                await self._send(m.PayoutSucceeded(**body))
            case "RefundPayment":
                await self._send(m.RefundSucceeded(**body))
            case "FundsSecured":
                await self._send(m.ShipOrder(order_id=order_id, actor=seller, **parcel))
            case "ShipmentRefused":
                self._put_off(m.ShipOrder(order_id=order_id, actor=seller, **parcel))
            case "TrackParcel":
                await self._send(m.ParcelDelivered(delivered_at=datetime.now(UTC), **body))
            case "OrderDelivered" if about.fate is Fate.CONFIRMED:
                await self._send(m.ConfirmReceipt(order_id=order_id, actor=buyer))
            case "OrderDelivered":
                await self._send(m.OpenDispute(actor=buyer, reason="damaged", **dispute))
            case "DisputeRefused":
                self._put_off(m.OpenDispute(actor=buyer, reason="damaged", **dispute))
            case "DisputeOpened":
                await self._send(m.RuleDispute(actor=MEDIATOR, buyer_basis_points=SPLIT_BASIS_POINTS, **dispute))

    async def _hear(self, done: Drained | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The next messages, each once, by class and content."""
        now = time.monotonic()
        due = [message for at, message in self._later if at <= now]
        self._later = [(at, message) for at, message in self._later if at > now]
        for message in due:
            await self._send(message)
        heard = []
        for records in (await self._consumer.getmany(timeout_ms=50)).values():
            for record in records:
                headers = dict(record.headers)
                id = headers["id"].decode()
                if id in self.seen:
                    continue
                self.seen.add(id)
                heard.append((headers["type"].decode(), json.loads(record.value)))
                if done is not None:
                    done.read += 1
                    done.bytes += len(record.value) + sum(len(name) + len(value) for name, value in record.headers)
        return heard

    def _put_off(self, message: m.Message) -> None:
        self._later.append((time.monotonic() + PAUSE, message))

    async def _send(self, message: m.Message) -> None:
        headers = [("id", str(uuid4()).encode()), ("type", type(message).__name__.encode())]
        headers.append(("content-type", b"application/json"))
        await self._producer.send(
            self.market + message.TOPIC, message.model_dump_json().encode(), message.key.encode(), headers=headers
        )


def place_order(one: Order) -> m.PlaceOrder:
    """The command that places an order of the plan."""
    price = m.Money(amount=one.unit_price, currency=CURRENCY)
    line = m.Line(
        line_no=1, sku=f"sku-{one.unit_price:06d}-blue-l", category="clothing", quantity=one.quantity, unit_price=price
    )
    return m.PlaceOrder(
        actor=m.Actor(id=one.buyer_id, role="buyer"),
        order_id=one.order_id,
        buyer_id=one.buyer_id,
        seller_id=one.seller_id,
        buyer_country="DE",
        seller_country="CN",
        lines=[line],
    )
