"""The parcel and its receipt. Pure decisions."""

from datetime import datetime

from msgspec.structs import replace

from contracts.carrier import ParcelDelivered, TrackParcel
from contracts.orders import ConfirmReceipt, OrderDelivered, OrderShipped, ReceiptConfirmed, ShipOrder
from orders.order import ORDERS, Line, Order, Parcel, Status, record
from orders.rules import admit
from runtime.decision import Outcome, Refused


def ship(order: Order, command: ShipOrder, now: datetime) -> Outcome[Order]:
    """The seller handed the parcel over; the carrier is asked to follow it."""
    admit(order, command)
    parcel = Parcel(command.carrier, command.tracking_number, now)
    shipped = OrderShipped(
        order_id=order.order_id,
        seller_id=order.seller_id,
        carrier=command.carrier,
        tracking_number=command.tracking_number,
        shipped_at=now,
    )
    track = TrackParcel(
        actor=ORDERS,
        reference=order.order_id,
        carrier=command.carrier,
        tracking_number=command.tracking_number,
    )
    return Outcome(record(order, now, "shipped", status=Status.SHIPPED, parcel=parcel), (shipped, track))


def delivered(order: Order, event: ParcelDelivered, now: datetime) -> Outcome[Order]:
    """The carrier delivered the order's parcel, or another that travels under its id."""
    parcel = order.parcel
    if parcel is None:
        return Outcome(note="the order has no parcel yet")
    if parcel.tracking_number != event.tracking_number:
        return _other_delivered(order, event, now)
    if parcel.delivered_at is not None:
        return Outcome(note="the delivery is known")
    parcel = replace(parcel, delivered_at=event.delivered_at)
    if order.status is not Status.SHIPPED:
        return Outcome(record(order, now, "delivered", parcel=parcel), note="delivered after the money went elsewhere")
    return Outcome(record(order, now, "delivered", status=Status.DELIVERED, parcel=parcel), (_arrived(order, event),))


def _other_delivered(order: Order, event: ParcelDelivered, now: datetime) -> Outcome[Order]:
    """Disputes has replacements followed under the order's id (D10). Escrow knows by the tracking number what came; the
    order itself stays where it is."""
    if order.status not in (Status.SHIPPED, Status.DELIVERED):
        return Outcome(note="another parcel, and the money went elsewhere")
    if event.tracking_number in order.other_parcels:
        return Outcome(note="the delivery is known")
    others = (*order.other_parcels, event.tracking_number)
    return Outcome(record(order, now, "other_parcel_delivered", other_parcels=others), (_arrived(order, event),))


def _arrived(order: Order, event: ParcelDelivered) -> OrderDelivered:
    return OrderDelivered(
        order_id=order.order_id, tracking_number=event.tracking_number, delivered_at=event.delivered_at
    )


def confirm(order: Order, command: ConfirmReceipt, now: datetime) -> Outcome[Order]:
    """The buyer is content with the named lines, or with all that are still open (E7, E14)."""
    admit(order, command)
    confirmed = _lines_to_confirm(order, command.lines)
    lines = tuple([replace(line, confirmed=True) if line.line_no in confirmed else line for line in order.lines])
    event = ReceiptConfirmed(
        order_id=order.order_id,
        lines=() if len(confirmed) == len(lines) else tuple(sorted(confirmed)),
        confirmed_at=now,
    )
    return Outcome(record(order, now, "receipt_confirmed", lines=lines), (event,))


def _lines_to_confirm(order: Order, named: tuple[int, ...]) -> frozenset[int]:
    if not named:
        open_lines = frozenset([line.line_no for line in order.lines if _awaits_confirmation(line)])
        if not open_lines:
            raise Refused("already_confirmed", "every line of the order is confirmed or settled already")
        return open_lines
    by_number = {line.line_no: line for line in order.lines}
    if len(set(named)) < len(named):
        raise Refused("duplicate_line", "a line is named twice; name each line once")
    if unknown := set(named) - by_number.keys():
        raise Refused("unknown_line", f"the order has no line {min(unknown)}")
    for line in map(by_number.__getitem__, named):
        if line.confirmed:
            raise Refused("already_confirmed", f"line {line.line_no} is confirmed already")
        if not _awaits_confirmation(line):
            raise Refused("line_closed", f"line {line.line_no} is refunded, being refunded or at rest")
    return frozenset(named)


def _awaits_confirmation(line: Line) -> bool:
    return not (line.confirmed or line.refunding or line.outcome)
