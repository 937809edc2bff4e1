"""Escrow as a service: what reaches an order, the decision about it, and what is kept where a query needs it."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from contracts.escrow import CommandRefused
from contracts.message import Message
from contracts.orders import LatePaymentReceived, OrderCancelled, OrderPaid
from contracts.payments import ChargebackReceived, ChargebackReversed
from escrow.hearing import begin, check_right, hear, remember
from escrow.process import No, ReminderDue, Skip
from escrow.saga import ESCROW
from escrow.state import Escrow, State, at_rest, every_line, with_operator
from escrow.walk import Walk, recalled, walk
from ledger.store import LedgerStore
from runtime.decision import Aggregate, Column, Look, Outcome, Refused, Route, Service, Timer, TimeUp, to

DEADLINE = "deadline"
REMINDER = "reminder"


_PAYMENTS = (OrderPaid, LatePaymentReceived)
_BANKS = (ChargebackReceived, ChargebackReversed)


def decide(before: Escrow | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Escrow]:
    """What a message or a timer does to an order's money. `Refused` where the table refuses; ValueError for a payment
    that cannot be held (see `hearing.begin`)."""
    check_right(message)
    heard_as = ReminderDue(message.due_at) if isinstance(message, TimeUp) and message.name == REMINDER else message
    if before is not None and before.tranches:
        so_far = Walk(before)
        _take_in(so_far, heard_as, now)
        return _outcome(before, so_far, message)
    if not isinstance(message, _PAYMENTS):
        if isinstance(message, _BANKS):
            return Outcome(remember(before, message), note="the payment is not known yet")
        return _nothing_known(heard_as)
    so_far = Walk(begin(message))
    banks = [recalled(each) for each in before.kept] if before else []
    if type(message) is LatePaymentReceived:
        # It is refunded at once: what its bank took already must be known by then.
        for each in banks:
            _take_in(so_far, each, now)
        banks = []
    walk(ESCROW, so_far, message, every_line(so_far.order), now)
    for each in banks:
        _take_in(so_far, each, now)
    return _outcome(before, so_far, message)


def _take_in(so_far: Walk, message: Message | TimeUp | ReminderDue, now: datetime) -> None:
    heard = hear(so_far.order, message, now)
    so_far.order = heard.order
    so_far.messages += heard.messages
    so_far.postings += heard.postings
    if heard.note:
        so_far.notes.append(heard.note)
    walk(ESCROW, so_far, message, heard.lines, now)


def _nothing_known(message: Message | TimeUp | ReminderDue) -> Outcome[Escrow]:
    match ESCROW.table.get((State.START, type(message))):
        case No(code, because):
            raise Refused(code, because)
        case Skip(because):
            return Outcome(note=because)
        case _:
            return Outcome(note="a timer of an order that is not known")


def _outcome(before: Escrow | None, walked: Walk, message: Message | TimeUp) -> Outcome[Escrow]:
    after = _leave_queue(walked.order)
    return Outcome(
        state=None if after is before or after == before else after,
        messages=walked.messages,
        timers=_timers(before, after, message),
        postings=walked.postings,
        note="; ".join(walked.notes),
    )


def _leave_queue(order: Escrow) -> Escrow:
    """Entries of the operators' queue whose lines do not wait there any more are closed."""
    if not (order.concerns and with_operator(order)):
        return order
    waiting = {tranche.line_no for tranche in order.tranches if tranche.state is State.WITH_OPERATOR}
    return replace(
        order,
        concerns=tuple(
            replace(each, open=False) if each.waits and waiting.isdisjoint(each.lines) else each
            for each in order.concerns
        ),
    )


def earliest(order: Escrow) -> tuple[datetime | None, datetime | None]:
    """When the order's two timers are due, deadline and reminder; None where no line waits for one."""
    deadline = reminder = None
    for tranche in order.tranches:
        if tranche.deadline_at and (deadline is None or tranche.deadline_at < deadline):
            deadline = tranche.deadline_at
        if tranche.remind_at and (reminder is None or tranche.remind_at < reminder):
            reminder = tranche.remind_at
    return deadline, reminder


def _timers(before: Escrow | None, after: Escrow, message: Message | TimeUp) -> list[Timer]:
    """Only what changed, except that a timer that fired is gone and is set again while a line waits for it."""
    deadline, reminder = earliest(after)
    deadline_was, reminder_was = earliest(before) if before else (None, None)
    fired = message.name if isinstance(message, TimeUp) else None
    timers = []
    if deadline != (None if fired == DEADLINE else deadline_was):
        timers.append(Timer(DEADLINE, deadline))
    if reminder != (None if fired == REMINDER else reminder_was):
        timers.append(Timer(REMINDER, reminder))
    return timers


def _paid_order(message: OrderCancelled) -> str | None:
    return message.order_id if message.paid else None


def _routes() -> dict[type[Message], Route]:
    keys: dict[type, Any] = {OrderCancelled: _paid_order}
    routed = [message for message in ESCROW.messages if issubclass(message, Message)]
    by_reference = {message for message in routed if message.KEY == "reference"}
    return {
        message: to("escrow", keys.get(message, "reference" if message in by_reference else "order_id"))
        for message in routed
    }


SERVICE = Service(
    name="escrow",
    aggregates=(
        Aggregate(
            "escrow",
            Escrow,
            decide,
            columns={
                "buyer_id": Column("text", lambda order: order.buyer_id),
                "seller_id": Column("text", lambda order: order.seller_id),
                "at_rest": Column("boolean", at_rest),
                "with_operator": Column("boolean", with_operator),
                "deadline_at": Column("timestamptz", lambda order: earliest(order)[0]),
            },
            states=lambda order: [tranche.state for tranche in order.tranches],
        ),
    ),
    routes=_routes(),
    refusal=CommandRefused,
    postings=LedgerStore(),
)
