"""What escrow says of the money of an order: final, whatever was on its way in the other direction. Pure decisions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from contracts.escrow import (
    FundsSecured,
    LinesRested,
    OperatorNeeded,
    OrderUnderReview,
    ReceiptReminderDue,
    RefundStarted,
)
from contracts.escrow import Outcome as LineOutcome
from orders.addresses import at_rest
from orders.order import Line, Order, Refund, Status, record
from runtime.decision import Outcome, Refused


def under_review(order: Order, event: OrderUnderReview, now: datetime) -> Outcome[Order]:
    """Screening stopped the order; it waits for proof of identity."""
    _must_be_paid(order)
    if order.status is not Status.PAID or order.review_until == event.until:
        return Outcome(note="the order is past its review, or the review is known")
    return Outcome(record(order, now, "under_review", review_until=event.until))


def funds_secured(order: Order, event: FundsSecured, now: datetime) -> Outcome[Order]:
    """The seller may ship (E4)."""
    _must_be_paid(order)
    if order.status is not Status.PAID:
        return Outcome(note="the order went on already, or was cancelled meanwhile")
    return Outcome(record(order, now, "funds_secured", status=Status.FUNDED, ship_by=event.ship_by, review_until=None))


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
    return Outcome(record(order, now, "refund_started", status=status, lines=lines, refund=refund, review_until=None))


def lines_rested(order: Order, event: LinesRested, now: datetime) -> Outcome[Order]:
    """The provider confirmed these lines to escrow. With the last one the order is final."""
    _must_be_paid(order)
    rest = {"outcome": event.outcome, "refunding": False, "held_up": ""}
    lines = tuple([replace(line, **rest) if line.line_no in event.lines else line for line in order.lines])
    whole = event.order_at_rest and order.status is not Status.CANCELLED
    status = _final_status(lines) if whole else _status_of_refund(order.status, lines)
    if lines == order.lines and status is order.status:
        return Outcome(note="these lines rest already")
    rested = record(order, now, f"lines_{event.outcome}", status=status, lines=lines)
    return Outcome(rested, timers=at_rest(rested, now))


def receipt_reminded(order: Order, event: ReceiptReminderDue, now: datetime) -> Outcome[Order]:
    """The buyer was told until when to confirm or to open a case; silent, they have confirmed (E8)."""
    if order.status is not Status.DELIVERED or order.confirm_by == event.confirm_by:
        return Outcome(note="nothing is to be confirmed, or the date is known")
    return Outcome(record(order, now, "receipt_reminded", confirm_by=event.confirm_by))


def operator_needed(order: Order, event: OperatorNeeded, now: datetime) -> Outcome[Order]:
    """The money of these lines waits for an operator of the platform (E11)."""
    lines = tuple(replace(line, held_up=event.code) if line.line_no in event.lines else line for line in order.lines)
    if lines == order.lines:
        return Outcome(note="this is known")
    return Outcome(record(order, now, "operator_needed", lines=lines))


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
