"""The disputes service: cases about paid orders, and their rulings."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from faststream import Depends

from bench.peers.naive_faststream import messages as m
from bench.peers.naive_faststream.service import Service, Work, ignore, is_a

RULE_WITHIN = timedelta(days=14)

SCHEMA = """
CREATE TABLE held_orders (order_id text PRIMARY KEY, buyer_id text NOT NULL, seller_id text NOT NULL);
CREATE TABLE disputes (
    dispute_id         text PRIMARY KEY,
    order_id           text NOT NULL REFERENCES held_orders,
    reason             text NOT NULL,
    rule_by            timestamptz NOT NULL,
    buyer_basis_points integer CHECK (buyer_basis_points BETWEEN 0 AND 10000),
    status             text NOT NULL
);
"""

service = Service("disputes", SCHEMA)
Tx = Annotated[Work, Depends(service.work)]
commands, escrow = service.subscriber("disputes.commands"), service.subscriber("escrow.events")


@escrow(filter=is_a(m.FundsHeld))
async def remember(event: m.FundsHeld, work: Tx) -> None:
    await work.db.execute(
        "INSERT INTO held_orders (order_id, buyer_id, seller_id) VALUES ($1, $2, $3)",
        event.order_id,
        event.buyer_id,
        event.seller_id,
    )


@commands(filter=is_a(m.OpenDispute))
async def open_dispute(command: m.OpenDispute, work: Tx) -> None:
    case = {"dispute_id": command.dispute_id, "order_id": command.order_id}
    order = await work.db.fetchrow("SELECT * FROM held_orders WHERE order_id = $1", command.order_id)
    if order is None:
        reason = "no money is held for this order yet; dispute after FundsHeld"
        await work.send(m.DisputeRefused(**case, code="not_found", reason=reason))
        return
    rule_by = datetime.now(UTC) + RULE_WITHIN
    await work.db.execute(
        "INSERT INTO disputes (dispute_id, order_id, reason, rule_by, status) VALUES ($1, $2, $3, $4, 'open')",
        command.dispute_id,
        command.order_id,
        command.reason,
        rule_by,
    )
    await work.send(
        m.DisputeOpened(
            **case, buyer_id=order["buyer_id"], seller_id=order["seller_id"], reason=command.reason, rule_by=rule_by
        )
    )


@commands(filter=is_a(m.RuleDispute))
async def rule(command: m.RuleDispute, work: Tx) -> None:
    await work.db.execute(
        "UPDATE disputes SET buyer_basis_points = $2, status = 'resolved' WHERE dispute_id = $1 AND status = 'open'",
        command.dispute_id,
        command.buyer_basis_points,
    )
    await work.send(
        m.DisputeResolved(
            dispute_id=command.dispute_id, order_id=command.order_id, buyer_basis_points=command.buyer_basis_points
        )
    )


for topic in (commands, escrow):
    topic(ignore)

if __name__ == "__main__":
    service.run()
