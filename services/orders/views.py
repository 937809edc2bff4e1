"""What each reader sees of an order. Pure; everything returned is ready for JSON, amounts are minor units."""

from typing import Any

import msgspec

from contracts.message import Role
from orders.order import UNPAID, Line, Order, Parcel, Surplus
from orders.quotes import Issued
from orders.tracking import expected_arrival, whereabouts
from orders.waiting import next_actions, waits

_OF_THE_BUYER = frozenset({
    "payment_started", "payment_declined", "payment_reminded", "paid_late", "paid_twice", "too_little", "not_as_asked",
    "payment_returned", "payment_return_stopped", "payment_returned_again", "address_given", "address_erased",
})  # fmt: skip
"""Entries of the history that tell how the buyer paid, or when they wrote; a seller does not see them (E10)."""


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
        "parcel": _parcel_view(order.parcel) if order.parcel else None,
        "expected_arrival": expected_arrival(order),
        "cancellation": order.cancellation,
        "refund": order.refund,
        "next": [action._asdict() for action in next_actions(order, role)],
        "waits_for": waiting._asdict() if (waiting := waits(order)) else None,
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


def quote_view(quote: Issued, version: int) -> dict[str, Any]:
    """A quote as it was issued: `rate` is presentment major units for one settlement major unit."""
    json_ready: dict[str, Any] = msgspec.to_builtins(quote)
    return json_ready


def _parcel_view(parcel: Parcel) -> dict[str, Any]:
    return {
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "status": whereabouts(parcel),
        "shipped_at": parcel.shipped_at,
        "delivered_at": parcel.delivered_at,
        "tracking": [{"at": entry.at, "what": entry.what} for entry in parcel.tracking],
    }


def _surplus_view(surplus: Surplus) -> dict[str, Any]:
    return {
        "operation_id": surplus.operation_id,
        "amount": _money(surplus.amount, surplus.currency),
        "why": surplus.why,
        "received_at": surplus.received_at,
        "returned_at": surplus.returned_at,
        "with_operator": surplus.stopped,
    }


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
            "not_taken": [_surplus_view(surplus) for surplus in order.surplus],
        },
        "review_until": order.review_until,
        "confirm_by": order.confirm_by,
        "has_shipping_address": order.has_address,
    }


def _money(amount: int, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency}
