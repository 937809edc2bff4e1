"""What becomes of an order: every command, event and deadline after checkout. Pure decisions.

Orders owns the payment in, the parcel and the confirmation. The money is escrow's: what escrow says of a line is
final here, whatever was on its way in the other direction.

An order is paid by one payment only: while one is under way no other starts. If the provider nevertheless confirms a
second one, it is kept in `surplus_operations` and in the history, for an operator to settle with the provider.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from contracts.carrier import ParcelDelivered, TrackParcel
from contracts.escrow import FundsSecured, LinesRested, OrderUnderReview, RefundStarted
from contracts.escrow import Outcome as LineOutcome
from contracts.message import Actor, Role
from contracts.orders import (
    CancelOrder,
    CancelReason,
    ConfirmReceipt,
    Fault,
    LatePaymentReceived,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPaymentDeclined,
    OrderShipped,
    PaymentMethod,
    PayOrder,
    PlaceOrder,
    ReceiptConfirmed,
    ShipOrder,
)
from contracts.payments import (
    CollectPayment,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    Purpose,
    QueryOperation,
)
from orders.checkout import PAY_BY, place
from orders.order import (
    UNPAID,
    Cancellation,
    Happened,
    Line,
    Order,
    Parcel,
    Refund,
    Status,
    amount_due,
    held_lines,
    payment_operation,
)
from orders.policy import policy_of
from orders.rules import admit, not_found
from runtime.decision import Look, Outcome, Refused, Timer, TimeUp

ORDERS: Final = Actor(id="orders", role=Role.SERVICE)

ASK_AGAIN: Final = "ask_again"
"""Name of the timer that asks about a payment nobody has heard of since its order was cancelled."""

# Payment in


def pay(order: Order, command: PayOrder, now: datetime) -> Outcome[Order]:
    """Asks the provider to collect the whole order. A slow method gets the longer deadline (E2)."""
    admit(order, command)
    policy = policy_of(order.policy)
    if now >= order.pay_by:
        raise Refused("payment_deadline_passed", "the time to pay is over; place a new order")
    if order.attempts >= policy.payment_attempts:
        raise Refused("too_many_attempts", f"{order.attempts} payments were declined; place a new order")
    slow = command.method in policy.slow_methods
    pay_by = max(order.pay_by, order.placed_at + policy.pay_within_slow) if slow else order.pay_by
    asked = _record(
        order,
        now,
        "payment_started",
        status=Status.PAYMENT_PENDING,
        attempts=order.attempts + 1,
        method=command.method,
        pay_by=pay_by,
    )
    collect = CollectPayment(
        actor=ORDERS,
        operation_id=_current_operation(asked),
        reference=order.order_id,
        purpose=Purpose.ORDER,
        amount=amount_due(order),
        method=command.method,
    )
    return Outcome(asked, (collect,), (Timer(PAY_BY, pay_by),) if pay_by != order.pay_by else ())


def payment_succeeded(order: Order, event: PaymentSucceeded, now: datetime) -> Outcome[Order]:
    """Money arrived: in time it pays the order, for a cancelled order it is handed to escrow to give back."""
    operation = event.operation_id
    if operation not in {payment_operation(order.order_id, n) for n in range(1, order.attempts + 1)}:
        raise Refused("unknown_operation", "the order never asked for this payment; look it up at the provider")
    if operation == order.paid_operation or operation in order.surplus_operations:
        return Outcome(note="this payment is already booked")
    if event.amount != amount_due(order):
        raise Refused("amount_mismatch", "the provider collected another amount than was asked for; look it up there")
    order, answered = _answered(order, operation)
    if order.paid_operation:
        surplus = (*order.surplus_operations, operation)
        twice = _record(order, now, "paid_twice", surplus_operations=surplus)
        return Outcome(twice, timers=answered, note="a second payment")
    late = order.status is Status.CANCELLED
    paid = _record(
        order,
        now,
        "paid_late" if late else "paid",
        status=order.status if late else Status.PAID,
        method=event.method,
        paid_operation=operation,
        paid_at=now,
    )
    if late:
        return Outcome(paid, (_money_in(LatePaymentReceived, paid, event.method, now),), answered)
    return Outcome(paid, (_money_in(OrderPaid, paid, event.method, now),), (Timer(PAY_BY, None),))


def payment_declined(order: Order, event: PaymentDeclined, now: datetime) -> Outcome[Order]:
    """The buyer may try again until the deadline. Only the answer to the payment under way counts."""
    heard, answered = _answered(order, event.operation_id)
    if answered:
        return Outcome(heard, timers=answered, note="declined after the order was cancelled")
    if order.status is not Status.PAYMENT_PENDING or event.operation_id != _current_operation(order):
        return Outcome(note="no payment of this name is under way")
    declined = OrderPaymentDeclined(order_id=order.order_id, method=event.method, reason=event.reason)
    waiting = _record(order, now, "payment_declined", status=Status.AWAITING_PAYMENT, decline=event.reason)
    return Outcome(waiting, (declined,))


def operation_not_found(order: Order, event: OperationNotFound, now: datetime) -> Outcome[Order]:
    """The answer asked for when a payment under way was given up: nothing moved, so nothing is to do."""
    heard, answered = _answered(order, event.operation_id)
    return Outcome(heard if answered else None, timers=answered, note="the provider never saw the payment")


def _answered(order: Order, operation: str) -> tuple[Order, tuple[Timer, ...]]:
    """The order once it is known what became of its last payment; without timers where nobody asked."""
    if not order.unanswered or operation != _current_operation(order):
        return order, ()
    return replace(order, unanswered=False), (Timer(ASK_AGAIN, None),)


def time_up(order: Order, timer: TimeUp, now: datetime) -> Outcome[Order]:
    """The order was not paid in time: it is cancelled. Or a payment has to be asked for once more."""
    if timer.name == ASK_AGAIN and order.unanswered:
        return Outcome(messages=(_what_became(order),), timers=(_ask_again(order, now),))
    if timer.name != PAY_BY or order.status not in UNPAID:
        return Outcome(note="nothing waits for this timer")
    if timer.due_at < order.pay_by:
        return Outcome(note="the deadline was moved")
    return _cancel(order, Cancellation(Role.SERVICE, CancelReason.NOT_PAID, Fault.NOBODY), now)


# Cancelling


def cancel(order: Order, command: CancelOrder, now: datetime) -> Outcome[Order]:
    """Buyer, seller or support cancels before shipping (E11). A seller who asked for it is at fault (E12)."""
    admit(order, command)
    if command.reason is CancelReason.NOT_PAID:
        raise Refused("invalid_reason", "not_paid is said by the payment deadline only; give your own reason")
    fault = fault_of(command.actor.role, command.reason)
    return _cancel(order, Cancellation(command.actor.role, command.reason, fault), now)


def fault_of(role: Role, reason: CancelReason) -> Fault:
    """Against whom a cancellation counts. Support speaks for the party that the reason names."""
    seller_asked = reason is CancelReason.SELLER_ASKED
    no_stock = reason is CancelReason.OUT_OF_STOCK and role is Role.SUPPORT
    return Fault.SELLER if role is Role.SELLER or seller_asked or no_stock else Fault.BUYER


def _cancel(order: Order, why: Cancellation, now: datetime) -> Outcome[Order]:
    paid = order.status not in UNPAID
    cancelled = OrderCancelled(
        order_id=order.order_id, cancelled_by=why.cancelled_by, reason=why.reason, fault=why.fault, paid=paid
    )
    if paid:
        return Outcome(_record(order, now, "cancelled", status=Status.CANCELLING, cancellation=why), (cancelled,))
    state = _record(order, now, "cancelled", status=Status.CANCELLED, cancellation=why)
    if order.status is not Status.PAYMENT_PENDING:
        return Outcome(state, (cancelled,), (Timer(PAY_BY, None),))
    # Its answer may be lost, and the money with it: asking brings it back as a late payment, or as nothing moved. While
    # the provider is still at work it has no answer, so it is asked until it has one.
    state = replace(state, unanswered=True)
    return Outcome(state, (cancelled, _what_became(order)), (Timer(PAY_BY, None), _ask_again(order, now)))


def _what_became(order: Order) -> QueryOperation:
    return QueryOperation(actor=ORDERS, operation_id=_current_operation(order), reference=order.order_id)


def _ask_again(order: Order, now: datetime) -> Timer:
    return Timer(ASK_AGAIN, now + policy_of(order.policy).ask_again_every)


# Parcel and receipt


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
    return Outcome(_record(order, now, "shipped", status=Status.SHIPPED, parcel=parcel), (shipped, track))


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
        return Outcome(_record(order, now, "delivered", parcel=parcel), note="delivered after the money went elsewhere")
    return Outcome(_record(order, now, "delivered", status=Status.DELIVERED, parcel=parcel), (_arrived(order, event),))


def _other_delivered(order: Order, event: ParcelDelivered, now: datetime) -> Outcome[Order]:
    """Disputes has replacements followed under the order's id (D10). Escrow knows by the tracking number what came; the
    order itself stays where it is."""
    if order.status not in (Status.SHIPPED, Status.DELIVERED):
        return Outcome(note="another parcel, and the money went elsewhere")
    if event.tracking_number in order.other_parcels:
        return Outcome(note="the delivery is known")
    others = (*order.other_parcels, event.tracking_number)
    return Outcome(_record(order, now, "other_parcel_delivered", other_parcels=others), (_arrived(order, event),))


def _arrived(order: Order, event: ParcelDelivered) -> OrderDelivered:
    return OrderDelivered(
        order_id=order.order_id, tracking_number=event.tracking_number, delivered_at=event.delivered_at
    )


def confirm(order: Order, command: ConfirmReceipt, now: datetime) -> Outcome[Order]:
    """The buyer is content with the named lines, or with all that are still open (E7, E14)."""
    admit(order, command)
    confirmed = _lines_to_confirm(order, command.lines)
    lines = tuple(replace(line, confirmed=True) if line.line_no in confirmed else line for line in order.lines)
    event = ReceiptConfirmed(
        order_id=order.order_id,
        lines=() if len(confirmed) == len(lines) else tuple(sorted(confirmed)),
        confirmed_at=now,
    )
    return Outcome(_record(order, now, "receipt_confirmed", lines=lines), (event,))


def _lines_to_confirm(order: Order, named: tuple[int, ...]) -> frozenset[int]:
    by_number = {line.line_no: line for line in order.lines}
    if len(set(named)) < len(named):
        raise Refused("duplicate_line", "a line is named twice; name each line once")
    if unknown := set(named) - by_number.keys():
        raise Refused("unknown_line", f"the order has no line {min(unknown)}")
    if not named:
        named = tuple(line.line_no for line in order.lines if _awaits_confirmation(line))
        if not named:
            raise Refused("already_confirmed", "every line of the order is confirmed or settled already")
    for line in map(by_number.__getitem__, named):
        if line.confirmed:
            raise Refused("already_confirmed", f"line {line.line_no} is confirmed already")
        if not _awaits_confirmation(line):
            raise Refused("line_closed", f"line {line.line_no} is refunded, being refunded or at rest")
    return frozenset(named)


def _awaits_confirmation(line: Line) -> bool:
    return not (line.confirmed or line.refunding or line.outcome)


# What escrow says


def under_review(order: Order, event: OrderUnderReview, now: datetime) -> Outcome[Order]:
    """Screening stopped the order; it waits for proof of identity."""
    _must_be_paid(order)
    if order.status is not Status.PAID or order.review_until == event.until:
        return Outcome(note="the order is past its review, or the review is known")
    return Outcome(_record(order, now, "under_review", review_until=event.until))


def funds_secured(order: Order, event: FundsSecured, now: datetime) -> Outcome[Order]:
    """The seller may ship (E4)."""
    _must_be_paid(order)
    if order.status is not Status.PAID:
        return Outcome(note="the order went on already, or was cancelled meanwhile")
    return Outcome(_record(order, now, "funds_secured", status=Status.FUNDED, ship_by=event.ship_by, review_until=None))


def refund_started(order: Order, event: RefundStarted, now: datetime) -> Outcome[Order]:
    """Escrow gives these lines back. A line that ended otherwise than released cannot be refunded again."""
    _must_be_paid(order)
    named = {line.line_no for line in event.lines}
    lines = tuple(
        replace(line, refunding=True)
        if line.line_no in named and line.outcome in (None, LineOutcome.RELEASED)
        else line
        for line in order.lines
    )
    if lines == order.lines:
        return Outcome(note="these refunds are known")
    refund = Refund(event.why, event.fault, now)
    status = _status_of_refund(order.status, lines)
    return Outcome(_record(order, now, "refund_started", status=status, lines=lines, refund=refund, review_until=None))


def lines_rested(order: Order, event: LinesRested, now: datetime) -> Outcome[Order]:
    """The provider confirmed these lines to escrow. With the last one the order is final."""
    _must_be_paid(order)
    lines = tuple(
        replace(line, outcome=event.outcome, refunding=False) if line.line_no in event.lines else line
        for line in order.lines
    )
    at_rest = event.order_at_rest and order.status is not Status.CANCELLED
    status = _final_status(lines) if at_rest else _status_of_refund(order.status, lines)
    if lines == order.lines and status is order.status:
        return Outcome(note="these lines rest already")
    return Outcome(_record(order, now, f"lines_{event.outcome}", status=status, lines=lines))


def _must_be_paid(order: Order) -> None:
    if not order.paid_operation:
        raise Refused("not_paid", "escrow spoke of an order that was never paid")


def _status_of_refund(status: Status, lines: tuple[Line, ...]) -> Status:
    any_refund = any(line.refunding for line in lines)
    nothing_else = all(line.refunding or line.outcome for line in lines)
    return Status.REFUNDING if any_refund and nothing_else and status is not Status.CANCELLED else status


_ENDS: Final[Mapping[LineOutcome, Status]] = {
    LineOutcome.RELEASED: Status.RELEASED,
    LineOutcome.REFUNDED: Status.REFUNDED,
    LineOutcome.SETTLED: Status.SETTLED,
    LineOutcome.CHARGED_BACK: Status.CHARGED_BACK,
}


def _final_status(lines: tuple[Line, ...]) -> Status:
    outcomes = {line.outcome for line in lines if line.outcome is not None}
    return _ENDS[outcomes.pop()] if len(outcomes) == 1 else Status.MIXED


def _current_operation(order: Order) -> str:
    return payment_operation(order.order_id, order.attempts)


def _money_in(
    event: type[OrderPaid] | type[LatePaymentReceived], order: Order, method: PaymentMethod, now: datetime
) -> OrderPaid | LatePaymentReceived:
    return event(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        seller_id=order.seller_id,
        buyer_country=order.buyer_country,
        seller_country=order.seller_country,
        method=method,
        lines=held_lines(order),
        paid_at=now,
    )


def _record(order: Order, now: datetime, what: str, **changes: Any) -> Order:
    return replace(order, history=(*order.history, Happened(now, what)), **changes)


DECISIONS: Final[Mapping[type, Callable[[Order, Any, datetime], Outcome[Order]]]] = {
    PayOrder: pay,
    PaymentSucceeded: payment_succeeded,
    PaymentDeclined: payment_declined,
    OperationNotFound: operation_not_found,
    TimeUp: time_up,
    CancelOrder: cancel,
    ShipOrder: ship,
    ParcelDelivered: delivered,
    ConfirmReceipt: confirm,
    OrderUnderReview: under_review,
    FundsSecured: funds_secured,
    RefundStarted: refund_started,
    LinesRested: lines_rested,
}


def decide(order: Order | None, message: Any, now: datetime, look: Look) -> Outcome[Order]:
    """The one decision of the aggregate `orders`."""
    if isinstance(message, PlaceOrder):
        return place(order, message, now, look)
    if order is None:
        raise not_found()
    return DECISIONS[type(message)](order, message, now)
