"""Where is my money? Each leg of an order's money as orders knows it (E11). Pure, and ready for JSON.

A leg says what it is, who holds the money, how it stands, when it should have come to its end, and whether that time is
over. What the ledger says of the same legs escrow shows at `/money/orders/{order_id}`, under the same references.
"""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from contracts.escrow import Outcome as LineOutcome
from contracts.message import Role
from contracts.payments import return_operation
from orders.order import UNPAID, Line, Order, Status, Surplus, payment_operation
from orders.policy import policy_of, refund_time
from orders.tracking import expected_arrival
from orders.waiting import waits


class Leg(NamedTuple):
    """`held_by`: buyer, provider, platform, seller, bank, or parties where a ruling split it. `reference` is the name
    by which provider or ledger know it."""

    leg: str
    held_by: str
    state: str
    expected_by: datetime | None = None
    reference: str | None = None
    done: bool = False


def money_view(order: Order, version: int, role: Role, now: datetime) -> dict[str, Any]:
    """All legs for this role. A seller sees prices and what is theirs to come, nothing of how the buyer paid (E10)."""
    seller = role is Role.SELLER
    legs = [_shown(_payment(order, seller), _price(order) if seller else _due(order), now)]
    if order.paid_operation:
        for line in order.lines:
            amount = _money(line.price, order.currency) if seller else _money(line.presented, order.presentment)
            legs.append({"line_no": line.line_no} | _shown(_line(order, line), amount, now))
    if not seller:
        legs += [_shown(_return(order, each), _money(each.amount, each.currency), now) for each in order.surplus]
    view = {
        "order_id": order.order_id,
        "version": version,
        "state": order.status,
        "as_of": now,
        "overdue": any(leg["overdue"] for leg in legs),
        "legs": legs,
        "waits_for": waiting._asdict() if (waiting := waits(order)) else None,
    }
    json_ready: dict[str, Any] = msgspec.to_builtins(view)
    return json_ready


def _shown(leg: Leg, amount: dict[str, Any], now: datetime) -> dict[str, Any]:
    late = not leg.done and leg.expected_by is not None and leg.expected_by < now
    return leg._asdict() | {"amount": amount, "overdue": late or leg.state == "with_operator"}


def _payment(order: Order, seller: bool) -> Leg:
    reference = None if seller or not order.attempts else payment_operation(order.order_id, order.attempts)
    if order.paid_operation:
        return Leg("payment", "platform", "arrived", order.paid_at, None if seller else order.paid_operation, True)
    if order.status is Status.PAYMENT_PENDING:
        return Leg("payment", "provider", "under_way", order.pay_by, reference)
    if order.status in UNPAID:
        return Leg("payment", "buyer", "awaited", order.pay_by)
    if order.unanswered and not seller:
        return Leg("payment", "provider", "asked_for", None, reference)
    return Leg("payment", "buyer", "never_made", done=True)


_RESTS = {
    LineOutcome.RELEASED: ("payout", "seller", "paid_out"),
    LineOutcome.REFUNDED: ("refund", "buyer", "refunded"),
    LineOutcome.SETTLED: ("split", "parties", "settled"),
    LineOutcome.CHARGED_BACK: ("chargeback", "bank", "charged_back"),
}


def _line(order: Order, line: Line) -> Leg:
    reference = f"{order.order_id}/{line.line_no}"
    policy = policy_of(order.policy)
    if line.outcome and not line.refunding:
        return Leg(*_RESTS[line.outcome], _when(order, f"lines_{line.outcome}"), reference, True)
    if line.held_up:
        return Leg("refund" if line.refunding else "hold", "platform", "with_operator", None, reference)
    if line.refunding:
        started = order.refund.started_at if order.refund else None
        by = started + refund_time(policy, order.method) if started else None
        return Leg("refund", "provider", "under_way", by, reference)
    if order.status in (Status.CANCELLING, Status.CANCELLED):
        since = _when(order, "cancelled" if order.status is Status.CANCELLING else "paid_late")
        return Leg("refund", "platform", "asked_for", since and since + refund_time(policy, order.method), reference)
    if line.confirmed:
        since = _when(order, "receipt_confirmed")
        return Leg("payout", "provider", "under_way", since and since + policy.payout_within, reference)
    return Leg("hold", "platform", "held", _held_until(order), reference)


def _held_until(order: Order) -> datetime | None:
    """When something should have happened to money that is held."""
    match order.status:
        case Status.PAID:
            return order.review_until
        case Status.FUNDED:
            return order.ship_by
        case Status.SHIPPED:
            return expected_arrival(order)
        case _:
            return order.confirm_by


def _return(order: Order, surplus: Surplus) -> Leg:
    if surplus.doubted:
        return Leg("return", "provider", "with_operator", None, surplus.operation_id)
    reference = return_operation(surplus.operation_id, surplus.tries)
    if surplus.returned_at:
        return Leg("return", "buyer", "returned", surplus.returned_at, reference, True)
    state = "with_operator" if surplus.stopped else "under_way"
    by = surplus.received_at + refund_time(policy_of(order.policy), order.method)
    return Leg("return", "provider", state, by, reference)


def _when(order: Order, what: str) -> datetime | None:
    return next((entry.at for entry in reversed(order.history) if entry.what == what), None)


def _price(order: Order) -> dict[str, Any]:
    return _money(sum(line.price for line in order.lines), order.currency)


def _due(order: Order) -> dict[str, Any]:
    return _money(sum(line.presented for line in order.lines), order.presentment)


def _money(amount: int, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency}
