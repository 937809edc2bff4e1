"""How an order is paid: by attempts, before a deadline, in doubt and too late."""

import pytest

from contracts.escrow import Outcome as LineOutcome
from contracts.escrow import Why
from contracts.message import Message, Role
from contracts.money import Money
from contracts.orders import CancelReason, Fault, PaymentMethod
from contracts.payments import OperationNotFound, PaymentSucceeded, Purpose, RefundSucceeded
from orders.order import UNPAID, Status
from orders.service import SERVICE
from runtime.decision import TimeUp
from tests.unit.orders.given import (
    PRICE,
    START,
    cancel,
    days,
    declined,
    eur,
    given,
    in_state,
    nothing_happens,
    pay,
    pay_by,
    pay_deadline,
    place,
    quote,
    refund,
    rested,
    secured,
    succeeded,
)

NOTHING_MOVED = OperationNotFound(operation_id="pay-order-1-1", reference="order-1")
SLOW = [PaymentMethod.BANK_TRANSFER, PaymentMethod.WESTERN_UNION]


def test_the_payment_of_the_whole_order_is_collected_under_a_name_of_its_own() -> None:
    then = given(place(quote=quote())).when(pay())
    (collect,) = then.messages
    assert (collect.operation_id, collect.reference, collect.purpose) == ("pay-order-1-1", "order-1", Purpose.ORDER)
    assert collect.amount == Money(amount=12_500, currency="USD")
    assert (collect.actor.id, collect.actor.role) == ("orders", Role.SERVICE)


def test_a_paid_order_is_handed_to_escrow_line_by_line_with_what_was_really_paid_e1_e3() -> None:
    world = given(place(quote=quote()), pay())
    then = world.when(succeeded(amount=Money(amount=12_500, currency="USD")))
    (paid,) = then.messages
    assert [(held.price, held.presented.amount, held.presented.currency) for held in paid.lines] == [
        (eur(PRICE), 6_250, "USD")
    ] * 2
    assert (paid.paid_at, paid.method) == (world.now, PaymentMethod.CREDIT_CARD)
    assert then.timers == {"pay_by": None}


@pytest.mark.parametrize("method", list(PaymentMethod))
def test_every_method_is_accepted_and_slow_ones_get_longer_e2(method: PaymentMethod) -> None:
    world = given(place())
    then = world.when(pay(method))
    assert then.messages[0].method is method
    assert then.timers == ({"pay_by": START + days(13)} if method in SLOW else {})
    assert world.order.pay_by == START + days(14 if method in SLOW else 3)


def test_the_longer_deadline_counts_from_the_placing_however_late_the_method_is_chosen() -> None:
    world = given(place()).later(days(2))
    assert world.when(pay(PaymentMethod.BANK_TRANSFER)).timers == {"pay_by": START + days(13)}


def test_a_decline_keeps_its_reason_and_the_buyer_may_try_again_e2() -> None:
    world = given(place(), pay())
    then = world.when(declined())
    assert then.kinds == ["OrderPaymentDeclined"]
    assert then.messages[0].reason == world.order.decline == "insufficient_funds"
    assert world.order.status is Status.AWAITING_PAYMENT
    assert world.when(pay()).messages[0].operation_id == "pay-order-1-2"
    assert nothing_happens(world, declined(1))
    assert world.when(succeeded(2)).kinds == ["OrderPaid"]


def test_the_number_of_attempts_is_limited() -> None:
    world = given(place())
    for attempt in range(1, 11):
        world.after(pay(), declined(attempt))
    assert nothing_happens(world, pay()) == "too_many_attempts"


def test_a_second_payment_does_not_start_while_one_is_under_way() -> None:
    assert nothing_happens(in_state(Status.PAYMENT_PENDING), pay()) == "payment_pending"


@pytest.mark.parametrize("attempt", [0, 2, 99])
def test_a_payment_that_was_never_asked_for_is_refused(attempt: int) -> None:
    assert nothing_happens(in_state(Status.PAYMENT_PENDING), succeeded(attempt)) == "unknown_operation"


def test_a_payment_confirmed_after_it_was_declined_still_pays_an_unpaid_order() -> None:
    assert given(place(), pay(), declined()).when(succeeded()).kinds == ["OrderPaid"]
    world = given(place(), pay(), declined(), pay(), succeeded(1))
    assert world.order.status is Status.PAID


def test_payments_of_deposits_are_not_for_orders() -> None:
    deposit = PaymentSucceeded(
        operation_id="deposit-seller-1-1",
        reference="seller-1",
        purpose=Purpose.DEPOSIT,
        amount=eur(1),
        method=PaymentMethod.ALIPAY,
    )
    assert SERVICE.routes[PaymentSucceeded].key(deposit) is None
    assert (
        SERVICE.routes[RefundSucceeded].key(
            RefundSucceeded(operation_id="refund-order-1-1", reference="order-1", amount=eur(1))
        )
        is None
    )
    refund_query = OperationNotFound(operation_id="refund-order-1-1", reference="order-1")
    assert SERVICE.routes[OperationNotFound].key(refund_query) is None


# The payment deadline


@pytest.mark.parametrize(
    ("status", "kinds"),
    [
        (Status.AWAITING_PAYMENT, ["OrderCancelled"]),
        (Status.PAYMENT_PENDING, ["OrderCancelled", "QueryOperation"]),
    ],
)
def test_an_order_not_paid_in_time_is_cancelled(status: Status, kinds: list[str]) -> None:
    world = in_state(status).later(days(3))
    then = world.when(pay_deadline())
    assert then.kinds == kinds
    cancelled = then.messages[0]
    assert (cancelled.cancelled_by, cancelled.reason, cancelled.paid) == (Role.SERVICE, CancelReason.NOT_PAID, False)
    assert cancelled.fault is Fault.NOBODY
    assert world.order.status is Status.CANCELLED


@pytest.mark.parametrize(
    ("answer", "kinds"),
    [
        (succeeded(), ["LatePaymentReceived"]),
        (declined(), []),
        (OperationNotFound(operation_id="pay-order-1-1", reference="order-1"), []),
    ],
)
def test_a_payment_under_way_at_the_cancellation_is_asked_for_until_its_fate_is_known(
    answer: Message, kinds: list[str]
) -> None:
    world = given(place(), pay(), cancel())
    for day in (1, 2):
        then = world.later(days(1)).when(TimeUp("ask_again", START + days(day)))
        assert (then.kinds, then.timers) == (["QueryOperation"], {"ask_again": START + days(day + 1)})
    then = world.when(answer)
    assert (then.kinds, then.timers) == (kinds, {"ask_again": None})
    assert world.when(TimeUp("ask_again", START + days(3))).note == "nothing waits for this timer"


@pytest.mark.parametrize("status", sorted(set(Status) - UNPAID))
def test_the_deadline_means_nothing_once_the_order_is_paid_or_over(status: Status) -> None:
    assert nothing_happens(in_state(status).later(days(3)), pay_deadline())


@pytest.mark.parametrize("method", SLOW)
def test_a_deadline_that_was_moved_does_nothing_at_its_old_time(method: PaymentMethod) -> None:
    world = given(place(), pay(method)).later(days(3))
    assert nothing_happens(world, pay_deadline())
    world.later(days(11)).after(pay_by(START + days(14)))
    assert world.order.status is Status.CANCELLED


def test_the_buyer_is_reminded_a_day_before_the_deadline_and_once_e2() -> None:
    world = given(place()).later(days(2))
    then = world.when(pay_by(START + days(2)))
    (reminder,) = then.messages
    assert (reminder.buyer_id, reminder.pay_by) == ("buyer-1", START + days(3))
    assert then.timers == {"pay_by": START + days(3)}
    assert world.order.status is Status.AWAITING_PAYMENT
    assert nothing_happens(world, pay_by(START + days(2))) == "the deadline was moved"
    world.later(days(1)).after(pay_deadline())
    assert world.order.status is Status.CANCELLED


def test_a_slow_method_chosen_after_the_reminder_is_reminded_of_its_own_deadline_e2() -> None:
    world = given(place()).later(days(2)).after(pay_by(START + days(2)))
    assert world.when(pay(PaymentMethod.WESTERN_UNION)).timers == {"pay_by": START + days(13)}
    assert world.later(days(11)).when(pay_by(START + days(13))).kinds == ["PaymentReminderDue"]


def test_who_was_away_longer_than_the_reminder_is_cancelled_without_it() -> None:
    then = given(place()).later(days(9)).when(pay_by(START + days(2)))
    assert then.kinds == ["OrderCancelled"]


def test_another_timer_does_nothing() -> None:
    assert nothing_happens(in_state(Status.AWAITING_PAYMENT), TimeUp("else", START + days(3)))


@pytest.mark.parametrize("ending", [cancel(), pay_deadline()], ids=["cancelled", "deadline"])
def test_money_that_comes_after_the_end_is_handed_to_escrow_once(ending: Message | TimeUp) -> None:
    world = given(place(), pay()).later(days(3)).after(ending)
    then = world.when(succeeded())
    assert then.kinds == ["LatePaymentReceived"]
    assert [held.line_no for held in then.messages[0].lines] == [1, 2]
    assert world.order.status is Status.CANCELLED
    assert nothing_happens(world, succeeded())
    assert nothing_happens(world, secured())
    world.after(refund(why=Why.LATE_PAYMENT), rested(outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.CANCELLED
    assert {line.outcome for line in world.order.lines} == {LineOutcome.REFUNDED}


def test_two_late_payments_give_one_late_payment_and_one_surplus() -> None:
    world = given(place(), pay(), declined(), pay(), cancel())
    assert world.when(succeeded(2)).kinds == ["LatePaymentReceived"]
    assert world.when(succeeded(1)).kinds == ["PaymentNotTaken", "RefundPayment"]
    assert [surplus.operation_id for surplus in world.order.surplus] == ["pay-order-1-1"]


def test_a_decline_after_the_end_does_nothing() -> None:
    assert nothing_happens(given(place(), pay(), cancel(), declined()), declined())


def test_the_answer_that_nothing_moved_changes_nothing() -> None:
    for status in Status:
        assert nothing_happens(in_state(status), NOTHING_MOVED)
