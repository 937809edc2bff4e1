"""The orders service: checkout, payment in, shipping, delivery, confirmation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from faststream import Depends

from bench.peers.naive_faststream import messages as m
from bench.peers.naive_faststream.service import Service, Work, ignore, is_a

PAY_WITHIN = timedelta(days=3)

SCHEMA = """
CREATE TABLE sellers (seller_id text PRIMARY KEY);
CREATE TABLE orders (
    order_id       text PRIMARY KEY,
    buyer_id       text NOT NULL,
    seller_id      text NOT NULL REFERENCES sellers,
    buyer_country  text NOT NULL,
    seller_country text NOT NULL,
    lines          jsonb NOT NULL,
    amount         bigint NOT NULL CHECK (amount > 0),
    currency       text NOT NULL,
    status         text NOT NULL
);
"""

service = Service("orders", SCHEMA)
Tx = Annotated[Work, Depends(service.work)]
commands, payments = service.subscriber("orders.commands"), service.subscriber("payments.events")
carrier, escrow = service.subscriber("carrier.events"), service.subscriber("escrow.events")
deposits = service.subscriber("deposits.events")


class WrongStatus(Exception):
    """A message about an order that does not stand where the message needs it."""


async def move(work: Work, order_id: str, before: str, after: str) -> Any:
    """Takes an order from one status to the next; returns its row. Raises WrongStatus."""
    order = await work.db.fetchrow(
        "UPDATE orders SET status = $3 WHERE order_id = $1 AND status = $2 RETURNING *", order_id, before, after
    )
    if order is None:
        raise WrongStatus(f"{order_id} is not {before}, so it cannot become {after}")
    return order


def money(order: Any) -> m.Money:
    return m.Money(amount=order["amount"], currency=order["currency"])


@deposits(filter=is_a(m.DepositActivated))
async def admit(event: m.DepositActivated, work: Tx) -> None:
    await work.db.execute("INSERT INTO sellers (seller_id) VALUES ($1) ON CONFLICT DO NOTHING", event.seller_id)


@commands(filter=is_a(m.PlaceOrder))
async def place(command: m.PlaceOrder, work: Tx) -> None:
    await work.db.execute(
        "INSERT INTO orders VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'placed')",
        command.order_id,
        command.buyer_id,
        command.seller_id,
        command.buyer_country,
        command.seller_country,
        json.dumps([line.model_dump() for line in command.lines]),
        sum(line.quantity * line.unit_price.amount for line in command.lines),
        command.lines[0].unit_price.currency,
    )
    pay_by = datetime.now(UTC) + PAY_WITHIN
    await work.send(m.OrderPlaced(pay_by=pay_by, **command.model_dump(exclude={"actor"})))


@commands(filter=is_a(m.PayOrder))
async def pay(command: m.PayOrder, work: Tx) -> None:
    order = await move(work, command.order_id, "placed", "paying")
    await work.send(
        m.CollectPayment(
            order_id=command.order_id,
            operation_id=f"pay-{command.order_id}",
            amount=money(order),
            method=command.method,
        )
    )


@payments(filter=is_a(m.PaymentSucceeded))
async def paid(event: m.PaymentSucceeded, work: Tx) -> None:
    order = await move(work, event.order_id, "paying", "paid")
    await work.send(
        m.OrderPaid(
            order_id=event.order_id,
            buyer_id=order["buyer_id"],
            seller_id=order["seller_id"],
            buyer_country=order["buyer_country"],
            seller_country=order["seller_country"],
            lines=json.loads(order["lines"]),
            amount=money(order),
            paid_at=datetime.now(UTC),
        )
    )


@escrow(filter=is_a(m.FundsSecured))
async def secured(event: m.FundsSecured, work: Tx) -> None:
    await move(work, event.order_id, "paid", "secured")


@commands(filter=is_a(m.ShipOrder))
async def ship(command: m.ShipOrder, work: Tx) -> None:
    try:
        order = await move(work, command.order_id, "secured", "shipped")
    except WrongStatus:
        await work.send(
            m.ShipmentRefused(
                order_id=command.order_id,
                code="funds_not_secured",
                reason="the buyer's money is not secured yet; ship after FundsSecured",
            )
        )
        return
    parcel = {"order_id": command.order_id, "carrier": command.carrier, "tracking_number": command.tracking_number}
    await work.send(
        m.OrderShipped(seller_id=order["seller_id"], shipped_at=datetime.now(UTC), **parcel), m.TrackParcel(**parcel)
    )


@carrier(filter=is_a(m.ParcelDelivered))
async def delivered(event: m.ParcelDelivered, work: Tx) -> None:
    await move(work, event.order_id, "shipped", "delivered")
    await work.send(m.OrderDelivered(**event.model_dump()))


@commands(filter=is_a(m.ConfirmReceipt))
async def confirm(command: m.ConfirmReceipt, work: Tx) -> None:
    await move(work, command.order_id, "delivered", "confirmed")
    await work.send(m.ReceiptConfirmed(order_id=command.order_id, confirmed_at=datetime.now(UTC)))


@escrow(filter=is_a(m.OrderRested))
async def rested(event: m.OrderRested, work: Tx) -> None:
    await work.db.execute("UPDATE orders SET status = $2 WHERE order_id = $1", event.order_id, event.outcome)


for topic in (commands, payments, carrier, escrow, deposits):
    topic(ignore)

if __name__ == "__main__":
    service.run()
