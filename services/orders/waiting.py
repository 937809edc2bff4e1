"""What an order waits for, and what each viewer may do about it (X3). Pure.

Two tables tell it all: `rules` says who may ask what in which state, `_WAITS` whom the order waits for, until when, and
what happens if nothing does. Deadlines that escrow keeps are known here once escrow has told them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from contracts.message import Command, Role
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, ShipOrder
from orders.address import SetShippingAddress
from orders.order import FINAL, Line, Order, Status
from orders.rules import ADMITS, ALLOWED, PERMITTED


class NextAction(NamedTuple):
    """Something the reader may do now. `until` is its deadline if orders knows one, `on_silence` what happens then."""

    action: str
    until: datetime | None
    on_silence: str


class Waits(NamedTuple):
    """What the order waits for: `for_whom` is a party, or the platform, provider or carrier."""

    for_whom: str
    what: str
    until: datetime | None
    on_silence: str


def next_actions(order: Order, role: Role) -> tuple[NextAction, ...]:
    """What somebody in this role may do with the order, from the tables that decide it."""
    by_command = tuple(
        NextAction(name, *_silence(order, asked))
        for asked, name in _NAMES.items()
        if role in PERMITTED[asked]
        and ADMITS[asked][order.status] == ALLOWED
        and not (asked is ConfirmReceipt and all(map(_settled, order.lines)))
    )
    return by_command + _of_operators(order) if role is Role.OPERATOR else by_command


def waits(order: Order) -> Waits | None:
    """What the order waits for, the same for every viewer; None once nothing is to come."""
    if any(line.held_up for line in order.lines) and order.status not in FINAL:
        return Waits("operator", "settle_operation", None, "money_waits")
    tell = _WAITS.get(order.status)
    return tell(order) if tell else None


_NAMES: Final[Mapping[type[Command], str]] = {
    PayOrder: "pay_order",
    ShipOrder: "ship_order",
    ConfirmReceipt: "confirm_receipt",
    CancelOrder: "cancel_order",
    SetShippingAddress: "set_shipping_address",
}


def _of_operators(order: Order) -> tuple[NextAction, ...]:
    """What only an operator gets on with: a payment to return, and money that escrow cannot move by itself."""
    returns = (NextAction("return_payment", None, "money_waits"),) if any(s.stopped for s in order.surplus) else ()
    stuck = any(line.held_up for line in order.lines)
    return (*returns, NextAction("settle_operation", None, "money_waits")) if stuck else returns


def _silence(order: Order, asked: type[Command]) -> tuple[datetime | None, str]:
    if asked is PayOrder:
        return order.pay_by, "order_cancelled"
    if asked is ShipOrder:
        return order.ship_by, "buyer_refunded"
    if asked is ConfirmReceipt and order.status is Status.DELIVERED:
        return order.confirm_by, "seller_paid"
    return None, "order_goes_on"


def _settled(line: Line) -> bool:
    return bool(line.confirmed or line.refunding or line.outcome)


def _paid(order: Order) -> Waits:
    if order.review_until:
        return Waits("buyer", "prove_identity", order.review_until, "buyer_refunded")
    return Waits("platform", "screen_order", None, "order_under_review")


def _shipped(order: Order) -> Waits:
    assert order.parcel
    if order.parcel.lost_at or order.parcel.returned_at:
        return Waits("buyer", "open_dispute", None, "buyer_refunded")
    # A carrier that tracks would have told of the delivery; of others the platform presumes it.
    return Waits("carrier", "deliver_parcel", None, "buyer_refunded_if_tracked")


def _delivered(order: Order) -> Waits:
    if all(map(_settled, order.lines)):
        return Waits("provider", "pay_seller", None, "operator_looks")
    return Waits("buyer", "confirm_receipt", order.confirm_by, "seller_paid")


_WAITS: Final[Mapping[Status, Callable[[Order], Waits | None]]] = {
    Status.AWAITING_PAYMENT: lambda order: Waits("buyer", "pay_order", order.pay_by, "order_cancelled"),
    Status.PAYMENT_PENDING: lambda order: Waits("provider", "confirm_payment", order.pay_by, "order_cancelled"),
    Status.PAID: _paid,
    Status.FUNDED: lambda order: Waits("seller", "ship_order", order.ship_by, "buyer_refunded"),
    Status.SHIPPED: _shipped,
    Status.DELIVERED: _delivered,
    Status.CANCELLING: lambda _: Waits("platform", "start_refund", None, "operator_looks"),
    Status.REFUNDING: lambda _: Waits("provider", "refund_buyer", None, "operator_looks"),
    Status.CANCELLED: lambda order: (
        Waits("provider", "tell_of_payment", None, "asked_again_daily") if order.unanswered else None
    ),
}
"""States that are missing here are final."""
