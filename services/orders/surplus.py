"""Money that arrived and does not pay its order: it is sent back as it came, until the buyer has it. Pure decisions.

It never stands in escrow's ledger. The provider is asked for the refund once a payment; a failed one is sent again
under a name of its own, an unanswered one is asked for, and after so many failures an operator has to look.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from contracts.message import Role
from contracts.orders import NotTaken, PaymentNotTaken, PaymentReturned, PaymentReturnStopped, ReturnPayment
from contracts.payments import (
    OperationNotFound,
    PaymentSucceeded,
    QueryOperation,
    RefundFailed,
    RefundPayment,
    RefundSucceeded,
    return_operation,
    returned_payment,
)
from orders.order import ORDERS, Order, Surplus, amount_due, record
from orders.policy import policy_of
from orders.rules import not_found, takes_part
from runtime.decision import Outcome, Refused, Timer

SEND_BACK: Final = "send_back"
"""Name of the timer that looks after money on its way back."""


def give_back(
    order: Order, event: PaymentSucceeded, why: NotTaken, now: datetime, timers: tuple[Timer, ...]
) -> Outcome[Order]:
    """This payment does not pay the order: the whole of it goes back."""
    surplus = Surplus(event.operation_id, event.amount.amount, event.amount.currency, why, now)
    told = _not_taken(order, event, why)
    state = record(order, now, why.value, surplus=(*order.surplus, surplus))
    return Outcome(state, (told, _send(order, surplus)), (*timers, _look_again(order, now)), note=why.value)


def doubt(order: Order, event: PaymentSucceeded, now: datetime) -> Outcome[Order]:
    """The provider tells of more than it was asked to collect, or of another currency. Nothing is sent back on its word
    alone: it is asked once more, and an operator looks. The order goes on as if nothing had been told."""
    if any(each.operation_id == event.operation_id for each in order.surplus):
        return Outcome(note="this is in doubt already")
    surplus = Surplus(
        event.operation_id,
        event.amount.amount,
        event.amount.currency,
        NotTaken.NOT_AS_ASKED,
        now,
        tries=0,
        stopped=True,
    )
    ask = QueryOperation(actor=ORDERS, operation_id=event.operation_id, reference=order.order_id)
    state = record(order, now, NotTaken.NOT_AS_ASKED.value, surplus=(*order.surplus, surplus))
    return Outcome(state, (_not_taken(order, event, NotTaken.NOT_AS_ASKED), ask), note="not_as_asked")


def believed(order: Order, operation: str) -> Order:
    """The order without its doubts about this payment, once the provider told of it as it was asked."""
    surplus = tuple(each for each in order.surplus if not (each.doubted and each.operation_id == operation))
    return order if surplus == order.surplus else replace(order, surplus=surplus)


def returned(order: Order, event: RefundSucceeded, now: datetime) -> Outcome[Order]:
    """The buyer has the money back. A success is believed whichever try it is told of."""
    surplus = _named(order, event.operation_id)
    if surplus is None or surplus.returned_at:
        return Outcome(note="no such refund is under way")
    state = _changed(order, replace(surplus, returned_at=now, failed="", stopped=False))
    told = PaymentReturned(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        operation_id=surplus.operation_id,
        amount=surplus.money,
    )
    return Outcome(record(state, now, "payment_returned"), (told,), _timers(state, now))


def not_returned(order: Order, event: RefundFailed, now: datetime) -> Outcome[Order]:
    """The newest try failed and nothing moved: it is sent again later, or an operator has to look."""
    surplus = _named(order, event.operation_id)
    if surplus is None or surplus.failed or surplus.returned_at or event.operation_id != _newest(surplus):
        return Outcome(note="no such refund is under way")
    stopped = surplus.tries >= policy_of(order.policy).return_tries
    state = _changed(order, replace(surplus, failed=event.reason, stopped=stopped))
    if not stopped:
        return Outcome(state)
    told = PaymentReturnStopped(
        order_id=order.order_id, operation_id=surplus.operation_id, amount=surplus.money, reason=event.reason
    )
    return Outcome(record(state, now, "payment_return_stopped"), (told,), _timers(state, now))


def return_not_found(order: Order, event: OperationNotFound, now: datetime) -> Outcome[Order]:
    """The provider never saw the refund: it is asked for again under the same name."""
    surplus = _named(order, event.operation_id)
    if surplus is None or not surplus.under_way or surplus.failed or event.operation_id != _newest(surplus):
        return Outcome(note="no such refund is under way")
    return Outcome(messages=(_send(order, surplus),))


def send_back_again(order: Order, now: datetime) -> Outcome[Order]:
    """It is time to look after the money on its way back: what failed is sent again, what is unanswered asked for."""
    messages: list[RefundPayment | QueryOperation] = []
    state = order
    for surplus in order.surplus:
        if not surplus.under_way:
            continue
        if surplus.failed:
            again = replace(surplus, tries=surplus.tries + 1, failed="")
            state = _changed(state, again)
            messages.append(_send(order, again))
        else:
            messages.append(QueryOperation(actor=ORDERS, operation_id=_newest(surplus), reference=order.order_id))
    if not messages:
        return Outcome(note="no money is on its way back")
    return Outcome(None if state == order else state, messages, (_look_again(order, now),))


def return_once_more(order: Order, command: ReturnPayment, now: datetime) -> Outcome[Order]:
    """An operator has money sent back once more, or at all if it was in doubt. Raises `Refused`: not_found for
    strangers, forbidden, unknown_operation, not_stopped."""
    if not takes_part(order, command.actor.role, command.actor.id):
        raise not_found()
    if command.actor.role is not Role.OPERATOR:
        raise Refused("forbidden", "an operator decides what is sent again")
    surplus = next((each for each in order.surplus if each.operation_id == command.operation_id), None)
    if surplus is None:
        raise Refused("unknown_operation", "no payment of this name is to be returned; read the order's money")
    if not surplus.stopped:
        raise Refused("not_stopped", "it was returned, or is on its way by itself")
    again = replace(surplus, tries=surplus.tries + 1, failed="", stopped=False)
    state = record(_changed(order, again), now, "payment_returned_again")
    return Outcome(state, (_send(order, again),), (_look_again(order, now),))


def _not_taken(order: Order, event: PaymentSucceeded, why: NotTaken) -> PaymentNotTaken:
    return PaymentNotTaken(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        operation_id=event.operation_id,
        received=event.amount,
        due=amount_due(order),
        why=why,
    )


def _named(order: Order, operation: str) -> Surplus | None:
    payment = returned_payment(operation)
    return next((each for each in order.surplus if each.operation_id == payment), None)


def _newest(surplus: Surplus) -> str:
    return return_operation(surplus.operation_id, surplus.tries)


def _changed(order: Order, changed: Surplus) -> Order:
    return replace(
        order,
        surplus=tuple(changed if each.operation_id == changed.operation_id else each for each in order.surplus),
    )


def _send(order: Order, surplus: Surplus) -> RefundPayment:
    return RefundPayment(actor=ORDERS, operation_id=_newest(surplus), reference=order.order_id, amount=surplus.money)


def _look_again(order: Order, now: datetime) -> Timer:
    return Timer(SEND_BACK, now + policy_of(order.policy).return_again_after)


def _timers(state: Order, now: datetime) -> tuple[Timer, ...]:
    """None are needed any more once nothing is on its way back."""
    return () if any(each.under_way for each in state.surplus) else (Timer(SEND_BACK, None),)
