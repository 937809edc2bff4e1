"""What each reader sees of an order. Pure; everything returned is ready for JSON, amounts are minor units."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from contracts.message import Command, Role
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, ShipOrder
from orders.order import UNPAID, Line, Order, Status
from orders.policy import policy_of, transit
from orders.rules import ADMITS, ALLOWED, PERMITTED

_OF_THE_BUYER = frozenset({"payment_started", "payment_declined", "paid_late", "paid_twice"})
"""Entries of the history that tell how the buyer paid; a seller does not see them (E10)."""


class NextAction(NamedTuple):
    """Something the reader may do now. `until` is its deadline if orders knows one, `on_silence` what happens then."""

    action: str
    until: datetime | None
    on_silence: str


def next_actions(order: Order, role: Role) -> tuple[NextAction, ...]:
    """What a party in this role may do with the order, from the tables that decide it (X3)."""
    return tuple(
        NextAction(name, *_silence(order, asked))
        for asked, name in _NAMES.items()
        if role in PERMITTED[asked]
        and ADMITS[asked][order.status] == ALLOWED
        and not (asked is ConfirmReceipt and all(map(_settled, order.lines)))
    )


_NAMES: dict[type[Command], str] = {
    PayOrder: "pay_order",
    ShipOrder: "ship_order",
    ConfirmReceipt: "confirm_receipt",
    CancelOrder: "cancel_order",
}


def _settled(line: Line) -> bool:
    return bool(line.confirmed or line.refunding or line.outcome)


def _silence(order: Order, asked: type[Command]) -> tuple[datetime | None, str]:
    if asked is PayOrder:
        return order.pay_by, "order_cancelled"
    if asked is ShipOrder:
        return order.ship_by, "buyer_refunded"
    if asked is ConfirmReceipt and order.status is Status.DELIVERED:
        return None, "seller_paid"
    return None, "order_goes_on"


def expected_arrival(order: Order) -> datetime | None:
    """When the parcel should arrive, by the countries of seller and buyer (E5); None before it is handed over."""
    if order.parcel is None:
        return None
    travel: timedelta = transit(policy_of(order.policy), order.seller_country, order.buyer_country)
    return order.parcel.shipped_at + travel


def order_view(order: Order, version: int, role: Role) -> dict[str, Any]:
    """An order as this role sees it. A seller's view holds nothing of the buyer but the country (E10)."""
    seller = role is Role.SELLER
    view = {
        "order_id": order.order_id,
        "version": version,
        "state": order.status,
        "seller_id": order.seller_id,
        "buyer_country": order.buyer_country,
        "seller_country": order.seller_country,
        "placed_at": order.placed_at,
        "pay_by": order.pay_by if order.status in UNPAID else None,
        "under_review": order.review_until is not None,
        "funds_secured": order.ship_by is not None,
        "ship_by": order.ship_by,
        "total": _money(sum(line.price for line in order.lines), order.currency),
        "lines": [_line_view(order, line, seller) for line in order.lines],
        "parcel": order.parcel,
        "expected_arrival": expected_arrival(order),
        "cancellation": order.cancellation,
        "refund": order.refund,
        "next": [action._asdict() for action in next_actions(order, role)],
        "history": [
            {"at": entry.at, "what": entry.what}
            for entry in order.history
            if not (seller and entry.what in _OF_THE_BUYER)
        ],
    }
    if not seller:
        view |= _payment_view(order)
    json_ready: dict[str, Any] = msgspec.to_builtins(view)
    return json_ready


def order_summary(order: Order, version: int, role: Role) -> dict[str, Any]:
    """One entry of a list."""
    view = {
        "order_id": order.order_id,
        "version": version,
        "state": order.status,
        "seller_id": order.seller_id,
        "buyer_country": order.buyer_country,
        "placed_at": order.placed_at,
        "total": _money(sum(line.price for line in order.lines), order.currency),
    }
    if role is not Role.SELLER:
        view["buyer_id"] = order.buyer_id
    json_ready: dict[str, Any] = msgspec.to_builtins(view)
    return json_ready


def _line_view(order: Order, line: Line, seller: bool) -> dict[str, Any]:
    view: dict[str, Any] = {
        "line_no": line.line_no,
        "sku": line.sku,
        "category": line.category,
        "quantity": line.quantity,
        "unit_price": _money(line.unit_price, order.currency),
        "price": _money(line.price, order.currency),
        "confirmed": line.confirmed,
        "refunding": line.refunding,
        "outcome": line.outcome,
    }
    if not seller:
        view["presented"] = _money(line.presented, order.presentment)
    return view


def _payment_view(order: Order) -> dict[str, Any]:
    return {
        "buyer_id": order.buyer_id,
        "amount_due": _money(sum(line.presented for line in order.lines), order.presentment),
        "quote": order.quote,
        "payment": {
            "method": order.method,
            "attempts": order.attempts,
            "last_decline": order.decline or None,
            "paid_at": order.paid_at,
            "operation_id": order.paid_operation or None,
            "surplus_operations": list(order.surplus_operations),
        },
        "review_until": order.review_until,
    }


def _money(amount: int, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency}
