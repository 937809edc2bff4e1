"""What falls due for an order, by the name of its timer. Pure decisions."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from contracts.orders import PaymentReminderDue
from orders.addresses import ERASE_ADDRESS, erase
from orders.cancellation import not_paid
from orders.checkout import PAY_BY, payment_timer
from orders.order import UNPAID, Order, record
from orders.payment import ASK_AGAIN, ask_again, what_became
from orders.surplus import SEND_BACK, send_back_again
from runtime.decision import Outcome, Timer, TimeUp


def time_up(order: Order, timer: TimeUp, now: datetime) -> Outcome[Order]:
    """One of the order's timers fell due."""
    due = _DUE.get(timer.name)
    return due(order, timer, now) if due else Outcome(note="nothing waits for this timer")


def _payment(order: Order, timer: TimeUp, now: datetime) -> Outcome[Order]:
    """The buyer is reminded; then, still unpaid, the order is cancelled."""
    if order.status not in UNPAID:
        return Outcome(note="nothing waits for this timer")
    if timer.due_at < payment_timer(order):
        return Outcome(note="the deadline was moved")
    if now >= order.pay_by:
        return not_paid(order, now)
    state = record(order, now, "payment_reminded", reminded=True)
    told = PaymentReminderDue(order_id=order.order_id, buyer_id=order.buyer_id, pay_by=order.pay_by)
    return Outcome(state, (told,), (Timer(PAY_BY, payment_timer(state)),))


def _payment_unanswered(order: Order, timer: TimeUp, now: datetime) -> Outcome[Order]:
    if not order.unanswered:
        return Outcome(note="nothing waits for this timer")
    return Outcome(messages=(what_became(order),), timers=(ask_again(order, now),))


_DUE: Final[Mapping[str, Callable[[Order, TimeUp, datetime], Outcome[Order]]]] = {
    PAY_BY: _payment,
    ASK_AGAIN: _payment_unanswered,
    SEND_BACK: lambda order, _, now: send_back_again(order, now),
    ERASE_ADDRESS: lambda order, _, now: erase(order, now),
}
