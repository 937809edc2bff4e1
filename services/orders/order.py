"""The state of one order: plain frozen data.

Amounts are minor units: prices in the order's `currency`, what the buyer pays in its `presentment` currency.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from contracts.escrow import Outcome as LineOutcome
from contracts.escrow import Why
from contracts.message import Actor, Role
from contracts.money import Money
from contracts.orders import CancelReason, Fault, HeldLine, NotTaken, PaymentMethod
from contracts.payments import return_operation

ORDERS: Final = Actor(id="orders", role=Role.SERVICE)
"""Who asks when the service itself asks others."""


class Status(StrEnum):
    """Where an order stands. The last six are final."""

    AWAITING_PAYMENT = "awaiting_payment"
    PAYMENT_PENDING = "payment_pending"
    PAID = "paid"
    """Escrow has it and screens it; `review_until` is set while it is under review."""
    FUNDED = "funded"
    """The money is secured: the seller may ship (E4)."""
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLING = "cancelling"
    """Cancelled after it was paid; escrow has not started the refund yet."""
    REFUNDING = "refunding"
    """Every line is refunded or being refunded, or at rest."""
    CANCELLED = "cancelled"
    """Never paid. Money that comes late is given back by escrow; the order stays cancelled."""
    RELEASED = "released"
    REFUNDED = "refunded"
    SETTLED = "settled"
    CHARGED_BACK = "charged_back"
    MIXED = "mixed"
    """At rest, and its lines ended differently."""


UNPAID = frozenset({Status.AWAITING_PAYMENT, Status.PAYMENT_PENDING})
FINAL = frozenset(
    {Status.CANCELLED, Status.RELEASED, Status.REFUNDED, Status.SETTLED, Status.CHARGED_BACK, Status.MIXED}
)


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line: `unit_price` in the order's currency, `presented` what the buyer pays for the whole line."""

    line_no: int
    sku: str
    category: str
    quantity: int
    unit_price: int
    presented: int
    confirmed: bool = False
    refunding: bool = False
    outcome: LineOutcome | None = None
    held_up: str = ""
    """Why escrow needs an operator for the money of this line; empty while it needs none."""

    @property
    def price(self) -> int:
        """Minor units the seller is owed for the line."""
        return self.quantity * self.unit_price


class LockedQuote(msgspec.Struct, frozen=True):
    """The exchange rate of the checkout, kept for good (E3)."""

    quote_id: str
    rate: str


class Tracked(msgspec.Struct, frozen=True, array_like=True):
    """What the carrier said of a parcel: when it happened, and what."""

    at: datetime
    what: str


class Parcel(msgspec.Struct, frozen=True, omit_defaults=True):
    """The seller's parcel. `tracking` is in the order of time and bounded (`tracking.KEPT`)."""

    carrier: str
    tracking_number: str
    shipped_at: datetime
    delivered_at: datetime | None = None
    lost_at: datetime | None = None
    returned_at: datetime | None = None
    expected_at: datetime | None = None
    """When the carrier last said it would arrive."""
    tracking: tuple[Tracked, ...] = ()


class Cancellation(msgspec.Struct, frozen=True):
    """Who cancelled, why, and against whom it counts (E12)."""

    cancelled_by: Role
    reason: CancelReason
    fault: Fault


class Refund(msgspec.Struct, frozen=True):
    """Why escrow gives the money back, and against whom it counts."""

    why: Why
    fault: Fault
    started_at: datetime


class Surplus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Money that arrived and does not pay the order, on its way back. Amount in minor units."""

    operation_id: str
    """The payment's."""
    amount: int
    currency: str
    why: NotTaken
    received_at: datetime
    tries: int = 1
    failed: str = ""
    """Why the newest try failed; empty while it is under way."""
    stopped: bool = False
    """It failed as often as policy allows, or was never believed: an operator has to look."""
    returned_at: datetime | None = None

    @property
    def doubted(self) -> bool:
        """Whether the provider told of it in a way that nobody believes: nothing was sent back, and if it tells
        otherwise, that counts."""
        return self.tries == 0

    @property
    def under_way(self) -> bool:
        """Whether the money has still to come back, by itself."""
        return self.returned_at is None and not self.stopped

    @property
    def money(self) -> Money:
        """What arrived, and goes back."""
        return Money(amount=self.amount, currency=self.currency)


class Happened(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the history."""

    at: datetime
    what: str


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """One order. `history` grows by what changes the order only, so its life cycle bounds it."""

    order_id: str
    buyer_id: str
    seller_id: str
    buyer_country: str
    seller_country: str
    currency: str
    presentment: str
    lines: tuple[Line, ...]
    status: Status
    policy: str
    placed_at: datetime
    pay_by: datetime
    quote: LockedQuote | None = None
    attempts: int = 0
    method: PaymentMethod | None = None
    decline: str = ""
    paid_operation: str = ""
    """The operation that paid the order, in time or late; empty while nothing did."""
    paid_at: datetime | None = None
    surplus: tuple[Surplus, ...] = ()
    """Payments that did not pay the order. They never reach escrow: orders has them sent back."""
    reminded: bool = False
    """Whether the buyer was reminded of the payment deadline as it stands now."""
    unanswered: bool = False
    """Cancelled while a payment was under way: the provider is asked what became of it until it says."""
    review_until: datetime | None = None
    ship_by: datetime | None = None
    confirm_by: datetime | None = None
    """Set once escrow reminded the buyer: the seller is paid then."""
    has_address: bool = False
    """Whether a shipping address is kept for the order, beside it and never in it (E10)."""
    parcel: Parcel | None = None
    other_parcels: tuple[str, ...] = ()
    """Tracking numbers of other parcels that were delivered under this order's id, such as replacements."""
    cancellation: Cancellation | None = None
    refund: Refund | None = None
    history: tuple[Happened, ...] = ()

    @property
    def surplus_operations(self) -> tuple[str, ...]:
        """What moves money of this order at the provider beside the ledger: payments that did not pay it, and what
        sends them back."""
        return tuple(
            name
            for surplus in self.surplus
            if not surplus.doubted
            for name in (
                surplus.operation_id,
                *(return_operation(surplus.operation_id, n) for n in range(1, surplus.tries + 1)),
            )
        )


def payment_operation(order_id: str, attempt: int) -> str:
    """Names the order's nth payment for ever. Never change this format: the provider knows past payments by it."""
    return f"pay-{order_id}-{attempt}"


def amount_due(order: Order) -> Money:
    """What the buyer pays for the whole order, in the presentment currency."""
    return Money(amount=sum([line.presented for line in order.lines]), currency=order.presentment)


def held_lines(order: Order) -> tuple[HeldLine, ...]:
    """The order as the money escrow holds."""
    return tuple(
        HeldLine(
            line_no=line.line_no,
            category=line.category,
            price=Money(amount=line.price, currency=order.currency),
            presented=Money(amount=line.presented, currency=order.presentment),
        )
        for line in order.lines
    )


def record(order: Order, now: datetime, what: str, **changes: Any) -> Order:
    """The order with these changes, and one more line in its history."""
    return replace(order, history=(*order.history, Happened(now, what)), **changes)
