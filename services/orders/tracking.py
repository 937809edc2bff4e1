"""What the carrier says of the order's parcel between shipping and delivery (E5). Pure decisions.

Carriers tell late, twice and out of order, so entries are kept in the order in which things happened. What concerns the
money is told to the other services: a delivery (`parcel`), a loss and a return.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from contracts.carrier import ParcelLost, ParcelProgressed, ParcelReturned
from contracts.orders import OrderUndelivered, Undelivered
from orders.order import Order, Parcel, Status, Tracked, record
from orders.policy import policy_of, transit
from runtime.decision import Outcome

KEPT: Final = 30
"""Entries of a parcel's tracking; beyond it the oldest go."""


def progressed(order: Order, event: ParcelProgressed, now: datetime) -> Outcome[Order]:
    """The parcel came so far. Only the latest news moves the expected arrival."""
    parcel = _own(order, event.tracking_number)
    if parcel is None:
        return Outcome(note=_NOT_OURS)
    tracked = _with(parcel, Tracked(event.at, event.stage.value))
    if tracked == parcel.tracking:
        return Outcome(note="this is known, or too old to be kept")
    latest = tracked[-1].at == event.at
    expected = event.expected_at if latest and event.expected_at else parcel.expected_at
    return Outcome(replace(order, parcel=replace(parcel, tracking=tracked, expected_at=expected)))


def lost(order: Order, event: ParcelLost, now: datetime) -> Outcome[Order]:
    """The carrier gave the parcel up. It may turn up: the money stays held until the delivery deadline or a ruling."""
    parcel = _own(order, event.tracking_number)
    if parcel is None:
        return Outcome(note=_NOT_OURS)
    if parcel.lost_at or parcel.delivered_at or parcel.returned_at:
        return Outcome(note="the loss is known, or the parcel turned up")
    entry = Tracked(event.lost_at, Undelivered.LOST.value)
    changed = replace(parcel, lost_at=event.lost_at, expected_at=None, tracking=_with(parcel, entry))
    return _undelivered(order, changed, Undelivered.LOST, event.lost_at, now)


def came_back(order: Order, event: ParcelReturned, now: datetime) -> Outcome[Order]:
    """The parcel is with the seller again. The buyer gets the money back (E9)."""
    parcel = _own(order, event.tracking_number)
    if parcel is None:
        return Outcome(note=_NOT_OURS)
    if parcel.returned_at or parcel.delivered_at:
        return Outcome(note="the return is known, or the parcel was delivered")
    entry = Tracked(event.returned_at, Undelivered.RETURNED.value)
    changed = replace(parcel, returned_at=event.returned_at, expected_at=None, tracking=_with(parcel, entry))
    return _undelivered(order, changed, Undelivered.RETURNED, event.returned_at, now)


def expected_arrival(order: Order) -> datetime | None:
    """When the parcel should arrive: as the carrier last said, else by the countries of seller and buyer (E5). None
    before it is handed over, and once it is lost or went back."""
    parcel = order.parcel
    if parcel is None or (not parcel.delivered_at and (parcel.lost_at or parcel.returned_at)):
        return None
    travel = transit(policy_of(order.policy), order.seller_country, order.buyer_country)
    return parcel.expected_at or parcel.shipped_at + travel


def whereabouts(parcel: Parcel) -> str:
    """Where the parcel is, in a word: what it ended in, else what the carrier said last."""
    if parcel.delivered_at:
        return "delivered"
    if parcel.returned_at:
        return Undelivered.RETURNED.value
    if parcel.lost_at:
        return Undelivered.LOST.value
    return parcel.tracking[-1].what if parcel.tracking else "shipped"


_NOT_OURS: Final = "the order has no parcel of this number"


def _own(order: Order, tracking_number: str) -> Parcel | None:
    """The seller's parcel, if it is this one. Replacements that travel under the order's id are the case's concern."""
    parcel = order.parcel
    return parcel if parcel and parcel.tracking_number == tracking_number else None


def _with(parcel: Parcel, entry: Tracked) -> tuple[Tracked, ...]:
    entries = sorted({*parcel.tracking, entry}, key=lambda each: (each.at, each.what))
    return tuple(entries[-KEPT:])


def _undelivered(order: Order, parcel: Parcel, why: Undelivered, at: datetime, now: datetime) -> Outcome[Order]:
    state = record(order, now, f"parcel_{why.value}", parcel=parcel)
    if order.status is not Status.SHIPPED:
        return Outcome(state, note="the money went elsewhere already")
    told = OrderUndelivered(order_id=order.order_id, tracking_number=parcel.tracking_number, why=why, at=at)
    return Outcome(state, (told,))
