"""Money that does not pay its order: too little, twice, or not as it was asked. All of it has a way back (E2, E11)."""

from typing import Any

import pytest

from contracts.message import Actor, Message, Role
from contracts.money import Money
from contracts.orders import NotTaken, ReturnPayment
from contracts.payments import OperationNotFound, QueryOperation, RefundFailed, RefundPayment, RefundSucceeded
from orders.legs import money_view
from orders.order import Status
from runtime.decision import TimeUp
from tests.unit.orders.given import (
    PRICE,
    START,
    World,
    cancel,
    days,
    declined,
    eur,
    given,
    in_state,
    pay,
    place,
    refund,
    secured,
    ship,
    succeeded,
)

SHORT = eur(2 * PRICE - 1)
OPERATOR = Actor(id="op-1", role=Role.OPERATOR)


def send_back(day: float) -> TimeUp:
    return TimeUp("send_back", START + days(day))


def returned(attempt: int = 1, payment: str = "pay-order-1-1", amount: Money = SHORT) -> RefundSucceeded:
    return RefundSucceeded(operation_id=f"return-{payment}-{attempt}", reference="order-1", amount=amount)


def not_returned(attempt: int = 1) -> RefundFailed:
    return RefundFailed(operation_id=f"return-pay-order-1-1-{attempt}", reference="order-1", reason="account_closed")


def once_more(actor: Actor = OPERATOR, operation: str = "pay-order-1-1") -> ReturnPayment:
    return ReturnPayment(actor=actor, order_id="order-1", operation_id=operation)


def short_paid() -> World:
    return given(place(), pay(), succeeded(amount=SHORT))


def test_too_little_does_not_pay_goes_back_whole_and_the_buyer_may_pay_again() -> None:
    world = given(place(), pay())
    then = world.when(succeeded(amount=SHORT))
    told, send = then.messages
    assert (told.why, told.received, told.due) == (NotTaken.TOO_LITTLE, SHORT, eur(2 * PRICE))
    assert isinstance(send, RefundPayment)
    assert (send.operation_id, send.amount, send.reference) == ("return-pay-order-1-1-1", SHORT, "order-1")
    assert then.timers == {"send_back": START + days(1)}
    assert world.order.status is Status.AWAITING_PAYMENT
    assert world.when(pay()).messages[0].operation_id == "pay-order-1-2"
    assert world.when(succeeded(2)).kinds == ["OrderPaid"]


@pytest.mark.parametrize("end", [(), (secured(), ship()), (cancel(), refund())])
def test_a_second_payment_goes_back_and_the_order_goes_on(end: tuple[Message, ...]) -> None:
    world = given(place(), pay(), declined(), pay(), succeeded(1), *end)
    status = world.order.status
    then = world.when(succeeded(2))
    assert then.kinds == ["PaymentNotTaken", "RefundPayment"]
    assert then.messages[0].why is NotTaken.PAID_TWICE
    assert (world.order.status, world.order.history[-1].what) == (status, "paid_twice")
    assert world.when(succeeded(2)).note == "this payment is already booked"


def test_a_payment_of_a_cancelled_order_that_is_too_little_goes_back_too() -> None:
    world = given(place(), pay(), cancel())
    then = world.when(succeeded(amount=SHORT))
    assert then.kinds == ["PaymentNotTaken", "RefundPayment"]
    assert then.timers["ask_again"] is None
    assert world.order.status is Status.CANCELLED


@pytest.mark.parametrize("amount", [eur(2 * PRICE + 1), eur(10**11), Money(amount=PRICE, currency="USD")])
def test_what_is_not_as_asked_moves_nothing_until_an_operator_has_looked(amount: Money) -> None:
    world = given(place(), pay())
    then = world.when(succeeded(amount=amount))
    assert then.kinds == ["PaymentNotTaken", "QueryOperation"]
    assert then.messages[0].why is NotTaken.NOT_AS_ASKED
    assert (world.order.status, then.timers) == (Status.PAYMENT_PENDING, {})
    assert world.when(succeeded(amount=amount)).messages == []
    (send,) = world.when(once_more()).messages
    assert (send.operation_id, send.amount) == ("return-pay-order-1-1-1", amount)


def test_doubts_are_over_once_the_provider_tells_of_the_payment_as_it_was_asked() -> None:
    world = given(place(), pay(), succeeded(amount=eur(10**11)))
    assert world.when(succeeded()).kinds == ["OrderPaid"]
    assert (world.order.status, world.order.surplus) == (Status.PAID, ())


def test_the_buyer_has_it_back_and_nothing_is_asked_any_more() -> None:
    world = short_paid()
    then = world.when(returned())
    (told,) = then.messages
    assert (told.operation_id, told.amount) == ("pay-order-1-1", SHORT)
    assert then.timers == {"send_back": None}
    assert world.order.history[-1].what == "payment_returned"
    assert world.when(returned()).messages == []
    assert world.when(not_returned()).messages == []


def test_a_failed_return_is_sent_again_under_a_new_name_and_after_five_an_operator_looks() -> None:
    world = short_paid()
    for attempt in range(1, 5):
        assert world.when(not_returned(attempt)).messages == []
        (again,) = world.later(days(1)).when(send_back(attempt)).messages
        assert again.operation_id == f"return-pay-order-1-1-{attempt + 1}"
    then = world.when(not_returned(5))
    assert then.kinds == ["PaymentReturnStopped"]
    assert then.messages[0].reason == "account_closed"
    assert then.timers == {"send_back": None}
    assert world.when(send_back(5)).messages == []
    assert world.when(once_more()).messages[0].operation_id == "return-pay-order-1-1-6"
    assert world.when(returned(6)).kinds == ["PaymentReturned"]


def test_an_unanswered_return_is_asked_for_and_never_sent_under_another_name() -> None:
    world = short_paid()
    (ask,) = world.later(days(1)).when(send_back(1)).messages
    assert isinstance(ask, QueryOperation)
    never_seen = OperationNotFound(operation_id=ask.operation_id, reference="order-1")
    (again,) = world.when(never_seen).messages
    assert again.operation_id == ask.operation_id == "return-pay-order-1-1-1"
    world.after(not_returned())
    assert world.when(never_seen).messages == []


@pytest.mark.parametrize(
    ("actor", "operation", "code"),
    [
        (Actor(id="buyer-1", role=Role.BUYER), "pay-order-1-1", "forbidden"),
        (Actor(id="agent-1", role=Role.SUPPORT), "pay-order-1-1", "forbidden"),
        (OPERATOR, "pay-order-1-9", "unknown_operation"),
        (OPERATOR, "pay-order-1-1", "not_stopped"),
    ],
)
def test_only_an_operator_sends_back_what_has_stopped(actor: Actor, operation: str, code: str) -> None:
    assert short_paid().when(once_more(actor, operation)).code == code


def test_the_buyer_watches_the_money_come_back_and_the_seller_does_not_hear_of_it_e10_e11() -> None:
    world = short_paid()

    def leg(role: Role = Role.BUYER, day: float = 0) -> Any:
        legs = money_view(world.order, 1, role, START + days(day))["legs"]
        return next((each for each in legs if each["leg"] == "return"), None)

    under_way = leg()
    assert (under_way["held_by"], under_way["state"], under_way["overdue"]) == ("provider", "under_way", False)
    assert under_way["amount"] == {"amount": SHORT.amount, "currency": "EUR"}
    assert under_way["reference"] == "return-pay-order-1-1-1"
    assert leg(day=6)["overdue"] is True
    assert leg(Role.SELLER) is None
    world.after(returned())
    assert (leg(day=6)["held_by"], leg(day=6)["overdue"]) == ("buyer", False)


@pytest.mark.parametrize("status", list(Status))
def test_refunds_of_escrow_are_not_ours(status: Status) -> None:
    world = in_state(status)
    before = world.order
    stray = RefundSucceeded(operation_id="return-pay-order-1-7-1", reference="order-1", amount=eur(1))
    assert world.when(stray).messages == []
    assert world.order == before
