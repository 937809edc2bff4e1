"""What the orders service shows, for its description."""

from typing import Any

from pydantic import AwareDatetime, BaseModel

from orders.order import Status
from runtime.shapes import Amount, Entry, NextAction


class OrderHeading(BaseModel):
    """An order in a list. Sellers see no `buyer_id`."""

    order_id: str
    version: int
    state: Status
    seller_id: str
    buyer_country: str
    placed_at: AwareDatetime
    total: Amount
    buyer_id: str | None = None


class LineShown(BaseModel):
    """A line. Sellers do not see what it was presented at."""

    line_no: int
    sku: str
    category: str
    quantity: int
    unit_price: Amount
    price: Amount
    outcome: str | None
    presented: Amount | None = None


class WaitsFor(BaseModel):
    """What the order waits for; `for_whom` is a party, or the platform, provider, carrier or operator."""

    for_whom: str
    what: str
    until: AwareDatetime | None
    on_silence: str


class TrackedShown(BaseModel):
    """What the carrier said."""

    at: AwareDatetime
    what: str


class ParcelShown(BaseModel):
    """The seller's parcel; `status` is how it ended, or what the carrier said last."""

    carrier: str
    tracking_number: str
    status: str
    shipped_at: AwareDatetime
    delivered_at: AwareDatetime | None
    tracking: list[TrackedShown]


class QuoteShown(BaseModel):
    """A quote: `rate` is presentment major units for one settlement major unit, as decimal text."""

    quote_id: str
    buyer_id: str
    presentment: str
    settlement: str
    rate: str
    expires_at: AwareDatetime


class LegShown(BaseModel):
    """One leg of the money: who holds it, how it stands, and when it should have come to its end."""

    leg: str
    held_by: str
    state: str
    expected_by: AwareDatetime | None
    reference: str | None
    done: bool
    amount: Amount
    overdue: bool
    line_no: int | None = None


class MoneyShown(BaseModel):
    """Where an order's money is, as orders knows it."""

    order_id: str
    version: int
    state: Status
    as_of: AwareDatetime
    overdue: bool
    legs: list[LegShown]
    waits_for: WaitsFor | None


class OrderShown(OrderHeading):
    """An order as the reader may see it; what concerns the payment is not there for sellers."""

    seller_country: str
    pay_by: AwareDatetime | None
    under_review: bool
    funds_secured: bool
    ship_by: AwareDatetime | None
    lines: list[LineShown]
    parcel: ParcelShown | None
    expected_arrival: AwareDatetime | None
    next: list[NextAction]
    waits_for: WaitsFor | None
    history: list[Entry]
    amount_due: Amount | None = None
    quote: dict[str, Any] | None = None
    payment: dict[str, Any] | None = None


class Orders(BaseModel):
    """A page of orders."""

    orders: list[OrderHeading]
    next: str | None
