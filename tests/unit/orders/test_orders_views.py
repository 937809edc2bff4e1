"""What each reader sees of an order."""

import json

import pytest

from contracts.message import Role
from contracts.money import Money
from orders.order import Status
from orders.views import order_summary, order_view
from tests.unit.orders.given import (
    declined,
    given,
    in_state,
    pay,
    place,
    quote,
    review,
    secured,
    ship,
    succeeded,
)

USD_PAID = (
    place(quote=quote()),
    pay(),
    declined(),
    pay(),
    succeeded(2, amount=Money(amount=12_500, currency="USD")),
)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("status", list(Status))
def test_every_state_can_be_shown_to_everyone(status: Status, role: Role) -> None:
    order = in_state(status).order
    for view in (order_view(order, 3, role), order_summary(order, 3, role)):
        assert (view["state"], view["version"]) == (status.value, 3)
        assert json.loads(json.dumps(view)) == view


def test_the_seller_sees_nothing_of_the_buyer_but_the_country_e10() -> None:
    order = given(*USD_PAID, review(), secured(), ship()).order
    for view in (order_view(order, 1, Role.SELLER), order_summary(order, 1, Role.SELLER)):
        text = json.dumps(view)
        assert view["buyer_country"] == "FR"
        for secret in ("buyer-1", "USD", "credit_card", "declined", "pay-order", "quote", "12500", "6250"):
            assert secret not in text, secret


def test_the_buyer_sees_the_payment_and_what_was_declined() -> None:
    view = order_view(given(*USD_PAID).order, 1, Role.BUYER)
    assert view["buyer_id"] == "buyer-1"
    assert view["amount_due"] == {"amount": 12_500, "currency": "USD"}
    assert view["payment"]["last_decline"] == "insufficient_funds"
    assert view["payment"]["operation_id"] == "pay-order-1-2"
    assert "payment_declined" in [entry["what"] for entry in view["history"]]


def test_secured_funds_are_visible_e4() -> None:
    assert order_view(in_state(Status.PAID).order, 1, Role.SELLER)["funds_secured"] is False
    assert order_view(in_state(Status.FUNDED).order, 1, Role.SELLER)["funds_secured"] is True


def test_expected_arrival_counts_from_the_handing_over_e5() -> None:
    assert order_view(in_state(Status.FUNDED).order, 1, Role.BUYER)["expected_arrival"] is None
    home = given(place(seller_country="FR"), pay(), succeeded(), secured(), ship()).order
    abroad = in_state(Status.SHIPPED).order
    assert order_view(home, 1, Role.BUYER)["expected_arrival"] == "2024-03-06T12:00:00Z"
    assert order_view(abroad, 1, Role.BUYER)["expected_arrival"] == "2024-03-21T12:00:00Z"
