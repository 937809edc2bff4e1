"""The payment in. Pure decisions.

An order is paid by one payment of exactly what is due: while one is under way no other starts. A second one, or one of
less, goes back as a whole (`surplus`). More than was asked for is not believed. What arrives for a cancelled order is
handed to escrow, which gives it back.
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from contracts.orders import LatePaymentReceived, NotTaken, OrderPaid, OrderPaymentDeclined, PaymentMethod, PayOrder
from contracts.payments import (
    CollectPayment,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    Purpose,
    QueryOperation,
)
from orders.checkout import PAY_BY, payment_timer
from orders.order import ORDERS, Order, Status, amount_due, held_lines, payment_operation, record
from orders.policy import policy_of
from orders.rules import admit
from orders.surplus import believed, doubt, give_back
from runtime.decision import Outcome, Refused, Timer

ASK_AGAIN: Final = "ask_again"
"""Name of the timer that asks about a payment nobody has heard of since its order was cancelled."""


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
    asked = record(
        order,
        now,
        "payment_started",
        status=Status.PAYMENT_PENDING,
        attempts=order.attempts + 1,
        method=command.method,
        pay_by=pay_by,
        reminded=order.reminded and pay_by == order.pay_by,
    )
    collect = CollectPayment(
        actor=ORDERS,
        operation_id=current_operation(asked),
        reference=order.order_id,
        purpose=Purpose.ORDER,
        amount=amount_due(order),
        method=command.method,
    )
    return Outcome(asked, (collect,), (Timer(PAY_BY, payment_timer(asked)),) if pay_by != order.pay_by else ())


def payment_succeeded(order: Order, event: PaymentSucceeded, now: datetime) -> Outcome[Order]:
    """Money arrived: in time and as due it pays the order, for a cancelled order it is handed to escrow to give back,
    any other goes back to the buyer as it came."""
    operation = event.operation_id
    if operation not in {payment_operation(order.order_id, n) for n in range(1, order.attempts + 1)}:
        raise Refused("unknown_operation", "the order never asked for this payment; look it up at the provider")
    if operation == order.paid_operation or operation in order.surplus_operations:
        return Outcome(note="this payment is already booked")
    due = amount_due(order)
    if event.amount.currency != order.presentment or event.amount.amount > due.amount:
        return doubt(order, event, now)
    under_way = order.status is Status.PAYMENT_PENDING and operation == current_operation(order)
    order, answered = _answered(believed(order, operation), operation)
    if order.paid_operation:
        return give_back(order, event, NotTaken.PAID_TWICE, now, answered)
    if event.amount != due:
        waiting = replace(order, status=Status.AWAITING_PAYMENT) if under_way else order
        return give_back(waiting, event, NotTaken.TOO_LITTLE, now, answered)
    late = order.status is Status.CANCELLED
    paid = record(
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
    if order.status is not Status.PAYMENT_PENDING or event.operation_id != current_operation(order):
        return Outcome(note="no payment of this name is under way")
    declined = OrderPaymentDeclined(order_id=order.order_id, method=event.method, reason=event.reason)
    waiting = record(order, now, "payment_declined", status=Status.AWAITING_PAYMENT, decline=event.reason)
    return Outcome(waiting, (declined,))


def payment_not_found(order: Order, event: OperationNotFound, now: datetime) -> Outcome[Order]:
    """The answer asked for when a payment under way was given up: nothing moved, so nothing is to do."""
    heard, answered = _answered(order, event.operation_id)
    return Outcome(heard if answered else None, timers=answered, note="the provider never saw the payment")


def _answered(order: Order, operation: str) -> tuple[Order, tuple[Timer, ...]]:
    """The order once it is known what became of its last payment; without timers where nobody asked."""
    if not order.unanswered or operation != current_operation(order):
        return order, ()
    return replace(order, unanswered=False), (Timer(ASK_AGAIN, None),)


def what_became(order: Order) -> QueryOperation:
    return QueryOperation(actor=ORDERS, operation_id=current_operation(order), reference=order.order_id)


def ask_again(order: Order, now: datetime) -> Timer:
    return Timer(ASK_AGAIN, now + policy_of(order.policy).ask_again_every)


def current_operation(order: Order) -> str:
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
