"""Where is my money? Every leg, who holds it, when it is expected, and whether that is over (E11)."""

import json
from typing import Any

import pytest

from contracts.message import Message, Role
from contracts.money import Money
from contracts.orders import PaymentMethod
from orders.legs import money_view
from orders.order import Order, Status
from tests.unit.orders.given import (
    PAID,
    PRICE,
    SHIPPED,
    START,
    cancel,
    confirm,
    days,
    given,
    in_state,
    operator_needed,
    parcel,
    pay,
    place,
    quote,
    receipt_reminder,
    refund,
    rested,
    secured,
    succeeded,
)


def legs(order: Order, role: Role = Role.BUYER, day: float = 0) -> list[Any]:
    found: list[Any] = money_view(order, 1, role, START + days(day))["legs"]
    return found


def line(order: Order, number: int = 1, role: Role = Role.BUYER, day: float = 0) -> Any:
    return next(leg for leg in legs(order, role, day) if leg.get("line_no") == number)


EXPECTED: dict[Status, tuple[str, ...]] = {
    Status.AWAITING_PAYMENT: ("payment buyer awaited",),
    Status.PAYMENT_PENDING: ("payment provider under_way",),
    Status.CANCELLED: ("payment buyer never_made",),
    Status.PAID: ("payment platform arrived", "hold platform held", "hold platform held"),
    Status.FUNDED: ("payment platform arrived", "hold platform held", "hold platform held"),
    Status.SHIPPED: ("payment platform arrived", "hold platform held", "hold platform held"),
    Status.DELIVERED: ("payment platform arrived", "hold platform held", "hold platform held"),
    Status.CANCELLING: ("payment platform arrived", "refund platform asked_for", "refund platform asked_for"),
    Status.REFUNDING: ("payment platform arrived", "refund provider under_way", "refund provider under_way"),
    Status.RELEASED: ("payment platform arrived", "payout seller paid_out", "payout seller paid_out"),
    Status.REFUNDED: ("payment platform arrived", "refund buyer refunded", "refund buyer refunded"),
    Status.SETTLED: ("payment platform arrived", "split parties settled", "split parties settled"),
    Status.CHARGED_BACK: (
        "payment platform arrived",
        "chargeback bank charged_back",
        "chargeback bank charged_back",
    ),
    Status.MIXED: ("payment platform arrived", "refund buyer refunded", "payout seller paid_out"),
}


@pytest.mark.parametrize("role", [Role.BUYER, Role.SELLER, Role.SUPPORT])
@pytest.mark.parametrize("status", list(Status))
def test_every_state_says_where_each_leg_is_e11(status: Status, role: Role) -> None:
    view = money_view(in_state(status).order, 4, role, START)
    told = tuple(f"{leg['leg']} {leg['held_by']} {leg['state']}" for leg in view["legs"])
    assert told == EXPECTED[status]
    assert not view["overdue"]
    assert (view["version"], json.loads(json.dumps(view))) == (4, view)


@pytest.mark.parametrize(
    ("messages", "expected_day"),
    [
        ((*PAID, secured()), 10),
        (SHIPPED, 20),
        ((*SHIPPED, parcel(), receipt_reminder(19)), 19),
        ((*PAID, cancel(), refund()), 5),
        ((*SHIPPED, parcel(), confirm()), 3),
    ],
    ids=["ship-by", "arrival", "confirm-by", "refund", "payout"],
)
def test_each_leg_has_a_day_and_is_overdue_after_it_e11(messages: tuple[Message, ...], expected_day: float) -> None:
    order = given(*messages).order
    by = (START + days(expected_day)).isoformat().replace("+00:00", "Z")
    assert line(order)["expected_by"] == by
    assert [line(order, day=expected_day + late)["overdue"] for late in (0, 0.01)] == [False, True]
    assert money_view(order, 1, Role.BUYER, START + days(expected_day + 1))["overdue"]


def test_what_has_arrived_is_never_overdue() -> None:
    for status in (Status.RELEASED, Status.REFUNDED, Status.SETTLED, Status.CHARGED_BACK, Status.MIXED):
        assert not money_view(in_state(status).order, 1, Role.BUYER, START + days(900))["overdue"]


def test_a_refund_by_a_slow_method_may_take_longer_e2() -> None:
    bank = succeeded().model_copy(update={"method": PaymentMethod.BANK_TRANSFER})
    order = given(place(), pay(PaymentMethod.BANK_TRANSFER), bank, cancel(), refund()).order
    assert line(order)["expected_by"] == "2024-03-11T12:00:00Z"


def test_what_an_operator_has_to_settle_is_overdue_at_once() -> None:
    order = in_state(Status.REFUNDING).after(operator_needed(1)).order
    assert (line(order)["state"], line(order)["overdue"]) == ("with_operator", True)
    assert line(order, 2)["state"] == "under_way"


def test_lines_go_their_own_ways_e14() -> None:
    order = given(*SHIPPED, parcel(), confirm(2), refund(1)).order
    assert [f"{leg['leg']} {leg['held_by']}" for leg in legs(order)[1:]] == ["refund provider", "payout provider"]
    order = given(*SHIPPED, rested(1, at_rest=False), parcel()).order
    assert [leg["leg"] for leg in legs(order)[1:]] == ["payout", "hold"]


def test_money_that_came_late_is_on_its_way_back() -> None:
    order = given(place(), pay(), cancel(), succeeded()).order
    assert line(order)["leg"] == "refund"
    assert line(order)["state"] == "asked_for"


def test_a_payment_of_which_nothing_is_known_is_asked_for() -> None:
    (leg,) = legs(given(place(), pay(), cancel()).order)
    assert (leg["held_by"], leg["state"], leg["reference"]) == ("provider", "asked_for", "pay-order-1-1")


def test_references_are_what_provider_and_ledger_know_it_by() -> None:
    payment, first, second = legs(given(*PAID).order)
    assert (payment["reference"], first["reference"], second["reference"]) == (
        "pay-order-1-1",
        "order-1/1",
        "order-1/2",
    )


def test_the_seller_reads_prices_and_nothing_of_the_payment_e10() -> None:
    usd = succeeded(amount=Money(amount=12_500, currency="USD"))
    order = given(place(quote=quote()), pay(), usd).order
    text = json.dumps(money_view(order, 1, Role.SELLER, START))
    for secret in ("USD", "12500", "6250", "pay-order", "credit_card", "buyer-1"):
        assert secret not in text
    assert line(order, role=Role.SELLER)["amount"] == {"amount": PRICE, "currency": "EUR"}
    assert line(order)["amount"] == {"amount": 6_250, "currency": "USD"}
