"""Payments, parcels, escrow's events and the deadline: in order, twice, late and crossing each other."""

from typing import Any

import pytest

from contracts.escrow import Outcome as LineOutcome
from contracts.escrow import Why
from contracts.message import Message, Role
from contracts.money import Money
from contracts.orders import CancelReason, Fault, PaymentMethod
from contracts.payments import OperationNotFound, PaymentSucceeded, Purpose, RefundSucceeded
from orders.order import FINAL, UNPAID, Status
from orders.service import SERVICE
from runtime.decision import TimeUp
from runtime.fold import Done, Refusal
from tests.unit.orders.given import (
    PAID,
    PRICE,
    SHIPPED,
    START,
    TO_STATE,
    World,
    cancel,
    confirm,
    days,
    declined,
    eur,
    given,
    in_state,
    parcel,
    pay,
    pay_by,
    pay_deadline,
    place,
    quote,
    refund,
    rested,
    review,
    secured,
    ship,
    succeeded,
)

SLOW = [PaymentMethod.BANK_TRANSFER, PaymentMethod.WESTERN_UNION]


def nothing_happens(world: World, message: Message | TimeUp) -> str:
    """Takes the message, checks that it had no effect at all, and returns its note or code."""
    before = dict(world.states)
    then = world.when(message)
    assert (world.states, then.messages, then.timers) == (before, [], {})
    return then.code if isinstance(then.result, Refusal) else then.note


def test_an_order_lives_its_whole_life() -> None:
    world = given()
    path: list[tuple[Message, Status, list[str]]] = [
        (place(), Status.AWAITING_PAYMENT, ["OrderPlaced"]),
        (pay(), Status.PAYMENT_PENDING, ["CollectPayment"]),
        (succeeded(), Status.PAID, ["OrderPaid"]),
        (secured(), Status.FUNDED, []),
        (ship(), Status.SHIPPED, ["OrderShipped", "TrackParcel"]),
        (parcel(), Status.DELIVERED, ["OrderDelivered"]),
        (confirm(), Status.DELIVERED, ["ReceiptConfirmed"]),
        (rested(), Status.RELEASED, []),
    ]
    for message, status, kinds in path:
        then = world.when(message)
        assert (world.order.status, then.kinds) == (status, kinds)
    assert [entry.what for entry in world.order.history] == [
        "placed",
        "payment_started",
        "paid",
        "funds_secured",
        "shipped",
        "delivered",
        "receipt_confirmed",
        "lines_released",
    ]


EVENTS: dict[str, Message] = {
    "succeeded": succeeded(),
    "declined": declined(),
    "not_found": OperationNotFound(operation_id="pay-order-1-1", reference="order-1"),
    "review": review(),
    "secured": secured(),
    "parcel": parcel(),
    "refund": refund(),
    "rested": rested(),
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("event", list(EVENTS))
def test_every_event_taken_twice_has_one_effect_in_every_state(status: Status, event: str) -> None:
    world = in_state(status)
    world.when(EVENTS[event])
    nothing_happens(world, EVENTS[event])


@pytest.mark.parametrize("status", list(Status))
def test_every_message_an_order_was_made_of_may_come_again(status: Status) -> None:
    world = in_state(status)
    for message in TO_STATE[status]:
        if "actor" not in type(message).model_fields:
            nothing_happens(world, message)


@pytest.mark.parametrize("event", list(EVENTS))
def test_events_of_an_unknown_order_are_refused(event: str) -> None:
    assert nothing_happens(given(), EVENTS[event]) == "not_found"


@pytest.mark.parametrize("status", sorted(UNPAID | {Status.CANCELLED}))
@pytest.mark.parametrize("event", [review(), secured(), refund(), rested()], ids=lambda event: type(event).__name__)
def test_escrow_cannot_speak_of_an_order_that_was_never_paid(status: Status, event: Message) -> None:
    assert nothing_happens(in_state(status), event) == "not_paid"


# Payment


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
        assert nothing_happens(in_state(status), EVENTS["not_found"])


# Review, parcel, refund, rest


def test_a_review_is_shown_and_ends_with_the_funds_secured() -> None:
    world = given(*PAID)
    assert world.when(review()).messages == []
    assert (world.order.status, world.order.review_until) == (Status.PAID, START + days(5))
    world.after(secured())
    assert (world.order.status, world.order.review_until) == (Status.FUNDED, None)


def test_a_review_that_is_rejected_is_a_refund() -> None:
    world = given(*PAID, review(), refund(why=Why.REVIEW_REJECTED))
    assert world.order.status is Status.REFUNDING
    assert world.order.refund is not None
    assert (world.order.refund.why, world.order.refund.fault) == (Why.REVIEW_REJECTED, Fault.BUYER)


@pytest.mark.parametrize("status", sorted(set(Status) - UNPAID - {Status.PAID, Status.CANCELLED}))
@pytest.mark.parametrize("event", [review(), secured()], ids=["review", "secured"])
def test_screening_that_answers_late_or_twice_changes_nothing(status: Status, event: Message) -> None:
    assert nothing_happens(in_state(status), event)


def test_delivery_is_told_to_escrow_with_the_carriers_time_e9() -> None:
    world = given(*SHIPPED)
    then = world.when(parcel())
    assert (then.messages[0].tracking_number, then.messages[0].delivered_at) == ("LP0001", START + days(9))
    for status in (Status.PAID, Status.FUNDED, Status.CANCELLING):
        assert nothing_happens(in_state(status), parcel())


@pytest.mark.parametrize("status", [Status.SHIPPED, Status.DELIVERED])
def test_a_replacement_is_told_to_escrow_once_and_the_order_stays_where_it_is_d10(status: Status) -> None:
    world = in_state(status)
    own = world.order.parcel
    (arrived,) = world.when(parcel("REPLACEMENT-1")).messages
    assert (arrived.tracking_number, arrived.delivered_at) == ("REPLACEMENT-1", START + days(9))
    assert (world.order.status, world.order.parcel) == (status, own)
    assert nothing_happens(world, parcel("REPLACEMENT-1"))
    assert world.when(parcel("REPLACEMENT-2")).kinds == ["OrderDelivered"]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.SHIPPED, Status.DELIVERED}))
def test_another_parcel_means_nothing_before_shipping_or_after_the_end(status: Status) -> None:
    assert nothing_happens(in_state(status), parcel("REPLACEMENT-1"))


@pytest.mark.parametrize(
    "end", [(refund(why=Why.NOT_DELIVERED),), (refund(), rested(outcome=LineOutcome.REFUNDED)), (rested(),)]
)
def test_a_parcel_that_arrives_after_the_money_went_elsewhere_is_noted(end: tuple[Message, ...]) -> None:
    world = given(*SHIPPED, *end)
    status = world.order.status
    then = world.when(parcel())
    assert then.note
    assert (then.messages, world.order.status) == ([], status)
    assert world.order.parcel is not None
    assert world.order.parcel.delivered_at == START + days(9)


@pytest.mark.parametrize("status", [Status.PAID, Status.FUNDED, Status.SHIPPED, Status.DELIVERED, Status.CANCELLING])
def test_a_refund_of_all_lines_shows_in_every_paid_state(status: Status) -> None:
    world = in_state(status).after(refund(why=Why.NOT_SHIPPED))
    assert world.order.status is Status.REFUNDING
    world.after(rested(outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.REFUNDED
    assert not any(line.refunding for line in world.order.lines)


def test_a_shipment_that_crosses_the_refund_for_late_shipping_ends_refunded() -> None:
    world = given(*PAID, secured(), ship(), refund(why=Why.NOT_SHIPPED))
    assert world.order.status is Status.REFUNDING
    assert nothing_happens(world, confirm()) == "order_closed"


def test_one_line_is_refunded_while_the_other_goes_on_e14() -> None:
    world = given(*SHIPPED, refund(1, why=Why.RULING))
    assert world.order.status is Status.SHIPPED
    assert nothing_happens(world, confirm(1)) == "line_closed"
    world.after(parcel(), rested(1, outcome=LineOutcome.REFUNDED, at_rest=False))
    assert world.order.status is Status.DELIVERED
    assert nothing_happens(world, confirm(1)) == "line_closed"
    assert world.when(confirm()).messages[0].lines == (2,)
    world.after(rested(2))
    assert world.order.status is Status.MIXED
    assert [line.outcome for line in world.order.lines] == [LineOutcome.REFUNDED, LineOutcome.RELEASED]


def test_the_last_open_line_decides_that_an_order_is_refunding() -> None:
    world = given(*SHIPPED, refund(1), rested(2, at_rest=False))
    assert world.order.status is Status.REFUNDING
    world.after(rested(1, outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.MIXED


def test_there_is_nothing_to_confirm_when_every_line_went_elsewhere() -> None:
    world = given(*SHIPPED, rested(1, outcome=LineOutcome.SETTLED, at_rest=False), confirm(2))
    assert nothing_happens(world, confirm()) == "already_confirmed"


@pytest.mark.parametrize("outcome", list(LineOutcome))
def test_an_order_at_rest_is_named_after_its_lines(outcome: LineOutcome) -> None:
    world = given(*SHIPPED, parcel(), rested(outcome=outcome))
    assert world.order.status == outcome.value


def test_a_released_order_may_still_be_refunded_and_comes_to_rest_again() -> None:
    world = in_state(Status.RELEASED).after(refund(1, why=Why.RULING))
    assert world.order.status is Status.REFUNDING
    world.after(rested(1, outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.MIXED
    assert nothing_happens(world, refund(1, why=Why.RULING))


def test_a_chargeback_after_release_is_shown() -> None:
    world = in_state(Status.RELEASED).after(rested(outcome=LineOutcome.CHARGED_BACK))
    assert world.order.status is Status.CHARGED_BACK


@pytest.mark.parametrize("status", sorted(FINAL - {Status.RELEASED, Status.MIXED}))
def test_what_is_not_released_is_never_refunded_again(status: Status) -> None:
    nothing_happens(in_state(status), refund())


def test_a_cancelled_payment_review_and_refund_cross_without_harm() -> None:
    world = given(*PAID, review(), cancel())
    assert nothing_happens(world, secured())
    world.after(refund(why=Why.REVIEW_REJECTED), rested(outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.REFUNDED
    assert world.order.review_until is None


def test_history_grows_only_when_the_order_changes() -> None:
    for status in Status:
        world = in_state(status)
        before = len(world.order.history)
        for event in EVENTS.values():
            version, length = world.order, len(world.order.history)
            result: Any = world.when(event).result
            changed = world.order != version
            assert isinstance(result, Done | Refusal)
            assert len(world.order.history) == length + changed
        assert len(world.order.history) <= before + len(EVENTS)
