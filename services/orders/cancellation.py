"""The end of an order before its parcel leaves: by a party, or because nobody paid. Pure decisions."""

from datetime import datetime

from msgspec.structs import replace

from contracts.message import Role
from contracts.orders import CancelOrder, CancelReason, Fault, OrderCancelled
from orders.addresses import at_rest
from orders.checkout import PAY_BY
from orders.order import UNPAID, Cancellation, Order, Status, record
from orders.payment import ask_again, what_became
from orders.rules import admit
from runtime.decision import Outcome, Refused, Timer


def not_paid(order: Order, now: datetime) -> Outcome[Order]:
    """The order was not paid in time: it is cancelled, and counts against nobody."""
    return _cancel(order, Cancellation(Role.SERVICE, CancelReason.NOT_PAID, Fault.NOBODY), now)


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
        return Outcome(record(order, now, "cancelled", status=Status.CANCELLING, cancellation=why), (cancelled,))
    state = record(order, now, "cancelled", status=Status.CANCELLED, cancellation=why)
    if order.status is not Status.PAYMENT_PENDING:
        return Outcome(state, (cancelled,), (Timer(PAY_BY, None), *at_rest(state, now)))
    # Its answer may be lost, and the money with it: asking brings it back as a late payment, or as nothing moved. While
    # the provider is still at work it has no answer, so it is asked until it has one.
    state = replace(state, unanswered=True)
    timers = (Timer(PAY_BY, None), ask_again(order, now), *at_rest(state, now))
    return Outcome(state, (cancelled, what_became(order)), timers)
