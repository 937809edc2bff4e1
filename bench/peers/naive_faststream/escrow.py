"""The escrow service: the money of a paid order, in double entry, until all of it is where it belongs."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from faststream import Depends

from bench.peers.naive_faststream import messages as m
from bench.peers.naive_faststream.service import Service, Work, ignore, is_a

SHIP_WITHIN = timedelta(days=10)
CLOCK = Path(os.environ["PEER_CLOCK"])
"""A file with the seconds by which the clock of the market is ahead of the machine's."""
LOOK_EVERY = 0.25
"""Seconds between two looks for orders that were not shipped in time."""
OVERDUE = 100
"""Orders taken at one look."""

SCHEMA = """
CREATE TABLE holds (
    order_id  text PRIMARY KEY,
    buyer_id  text NOT NULL,
    seller_id text NOT NULL,
    amount    bigint NOT NULL CHECK (amount > 0),
    currency  text NOT NULL,
    status    text NOT NULL,
    ship_by   timestamptz,
    to_buyer  bigint NOT NULL DEFAULT 0,
    awaited   integer NOT NULL DEFAULT 0,
    CHECK (to_buyer BETWEEN 0 AND amount AND awaited >= 0)
);
CREATE INDEX holds_ship_by ON holds (ship_by) WHERE status = 'secured';
CREATE TABLE entries (
    order_id text NOT NULL REFERENCES holds,
    movement text NOT NULL,
    account  text NOT NULL,
    amount   bigint NOT NULL,
    PRIMARY KEY (order_id, movement, account)
);
"""
ENTRIES = "INSERT INTO entries (order_id, movement, account, amount) VALUES ($1, $2, $3, -$5::bigint), ($1, $2, $4, $5)"
OUTCOMES = {"confirmed": "released", "ruling": "settled", "not_shipped": "refunded"}

service = Service("escrow", SCHEMA)
Tx = Annotated[Work, Depends(service.work)]
orders, identity = service.subscriber("orders.events"), service.subscriber("identity.events")
disputes, payments = service.subscriber("disputes.events"), service.subscriber("payments.events")


class WrongStatus(Exception):
    """A message about money that is not where the message needs it."""


async def move(work: Work, order_id: str, before: set[str], after: str) -> Any:
    """Takes a hold from one status to the next; returns its row. Raises WrongStatus."""
    hold = await work.db.fetchrow(
        "UPDATE holds SET status = $3 WHERE order_id = $1 AND status = ANY($2) RETURNING *",
        order_id, list(before), after,
    )  # fmt: skip
    if hold is None:
        raise WrongStatus(f"{order_id} is not {before}, so it cannot become {after}")
    return hold


async def post(work: Work, order_id: str, movement: str, debit: str, credit: str, amount: int) -> None:
    """Moves `amount` from one account to another; the two entries sum to zero."""
    await work.db.execute(ENTRIES, order_id, movement, debit, credit, amount)


@orders(filter=is_a(m.OrderPaid))
async def hold_funds(event: m.OrderPaid, work: Tx) -> None:
    await work.db.execute(
        "INSERT INTO holds (order_id, buyer_id, seller_id, amount, currency, status) VALUES ($1, $2, $3, $4, $5, $6)",
        event.order_id, event.buyer_id, event.seller_id, event.amount.amount, event.amount.currency, "screening",
    )  # fmt: skip
    await post(work, event.order_id, "held", "provider", "hold", event.amount.amount)
    parties = {"order_id": event.order_id, "buyer_id": event.buyer_id, "amount": event.amount}
    countries = {"buyer_country": event.buyer_country, "seller_country": event.seller_country}
    await work.send(m.FundsHeld(seller_id=event.seller_id, **parties), m.ScreenOrder(**parties, **countries))


@identity(filter=is_a(m.OrderCleared))
async def secure(event: m.OrderCleared, work: Tx) -> None:
    hold = await move(work, event.order_id, {"screening"}, "secured")
    ship_by = now() + SHIP_WITHIN
    await work.db.execute("UPDATE holds SET ship_by = $2 WHERE order_id = $1", event.order_id, ship_by)
    await work.send(m.FundsSecured(order_id=event.order_id, seller_id=hold["seller_id"], ship_by=ship_by))


@orders(filter=is_a(m.OrderShipped))
async def shipped(event: m.OrderShipped, work: Tx) -> None:
    await move(work, event.order_id, {"secured"}, "shipped")


@orders(filter=is_a(m.OrderDelivered))
async def delivered(event: m.OrderDelivered, work: Tx) -> None:
    # A dispute comes by another topic, and may be here first.
    await work.db.execute(
        "UPDATE holds SET status = 'delivered' WHERE order_id = $1 AND status = 'shipped'", event.order_id
    )


@orders(filter=is_a(m.ReceiptConfirmed))
async def confirmed(event: m.ReceiptConfirmed, work: Tx) -> None:
    hold = await move(work, event.order_id, {"delivered"}, "confirmed")
    await pay(work, hold, to_buyer=0, why="confirmed")


@disputes(filter=is_a(m.DisputeOpened))
async def disputed(event: m.DisputeOpened, work: Tx) -> None:
    await move(work, event.order_id, {"shipped", "delivered"}, "disputed")


@disputes(filter=is_a(m.DisputeResolved))
async def resolved(event: m.DisputeResolved, work: Tx) -> None:
    hold = await move(work, event.order_id, {"disputed"}, "ruling")
    await pay(work, hold, to_buyer=hold["amount"] * event.buyer_basis_points // 10_000, why="ruling")


async def overdue() -> None:
    """Refunds orders whose time to ship is over, one transaction each."""
    late = await service.fetch(
        "SELECT order_id FROM holds WHERE status = 'secured' AND ship_by < $1 LIMIT $2", now(), OVERDUE
    )
    for row in late:
        async with service.transaction(cause="ship_by") as work:
            hold = await work.db.fetchrow(
                "UPDATE holds SET status = 'not_shipped' WHERE order_id = $1 AND status = 'secured' RETURNING *",
                row["order_id"],
            )
            if hold is not None:
                await pay(work, hold, to_buyer=hold["amount"], why="not_shipped")
    if len(late) < OVERDUE:
        await asyncio.sleep(LOOK_EVERY)


async def pay(work: Work, hold: Any, *, to_buyer: int, why: str) -> None:
    """Divides held money between buyer and seller, and asks the provider to send it."""
    order_id, to_seller = hold["order_id"], hold["amount"] - to_buyer
    await work.db.execute(
        "UPDATE holds SET to_buyer = $2, awaited = $3 WHERE order_id = $1",
        order_id, to_buyer, (to_buyer > 0) + (to_seller > 0),
    )  # fmt: skip
    if to_seller:
        amount = m.Money(amount=to_seller, currency=hold["currency"])
        await post(work, order_id, "released", "hold", "seller", to_seller)
        await work.send(
            m.FundsReleased(order_id=order_id, seller_id=hold["seller_id"], amount=amount, why=why),
            m.PayOut(order_id=order_id, operation_id=f"payout-{order_id}", amount=amount, seller_id=hold["seller_id"]),
        )
    if to_buyer:
        amount = m.Money(amount=to_buyer, currency=hold["currency"])
        await post(work, order_id, "refunded", "hold", "buyer", to_buyer)
        await work.send(
            m.RefundStarted(order_id=order_id, buyer_id=hold["buyer_id"], amount=amount, why=why),
            m.RefundPayment(order_id=order_id, operation_id=f"refund-{order_id}", amount=amount),
        )


@payments(filter=is_a(m.PayoutSucceeded))
async def paid_out(event: m.PayoutSucceeded, work: Tx) -> None:
    await post(work, event.order_id, "paid_out", "seller", "provider", event.amount.amount)
    await settle(work, event.order_id)


@payments(filter=is_a(m.RefundSucceeded))
async def refunded(event: m.RefundSucceeded, work: Tx) -> None:
    await post(work, event.order_id, "paid_back", "buyer", "provider", event.amount.amount)
    await settle(work, event.order_id)


async def settle(work: Work, order_id: str) -> None:
    """Counts one answer of the provider; after the last the order is at rest."""
    hold = await work.db.fetchrow(
        "UPDATE holds SET awaited = awaited - 1 WHERE order_id = $1 RETURNING awaited, status", order_id
    )
    if hold["awaited"] == 0:
        outcome = OUTCOMES[hold["status"]]
        await work.db.execute("UPDATE holds SET status = $2 WHERE order_id = $1", order_id, outcome)
        await work.send(m.OrderRested(order_id=order_id, outcome=outcome))


def now() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(CLOCK.read_text()))


service.background(overdue)
for topic in (orders, identity, disputes, payments):
    topic(ignore)

if __name__ == "__main__":
    service.run()
