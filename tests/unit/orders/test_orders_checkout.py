"""Checkout: who may place what, at which price."""

import math
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.currencies import EXPONENTS
from contracts.deposits import DepositSuspended, SuspendReason
from contracts.identity import AccountOpened
from contracts.message import Actor, Role
from contracts.money import MAX_MINOR_UNITS, Money
from orders.order import Status
from orders.policy import POLICIES, Policy, policy_at, policy_of, transit
from orders.pricing import presented_amount
from runtime.decision import Ref
from tests.unit.orders.given import (
    BUYER,
    PRICE,
    START,
    SUPPORT,
    World,
    days,
    deposit_activated,
    eur,
    given,
    in_state,
    line,
    place,
    quote,
)


def suspended() -> DepositSuspended:
    return DepositSuspended(seller_id="seller-1", reason=SuspendReason.SHORTFALL, missing=eur(1))


def test_an_order_of_a_known_buyer_with_an_active_seller_waits_for_its_payment() -> None:
    world = given()
    then = world.when(place())
    assert then.kinds == ["OrderPlaced"]
    assert world.order.status is Status.AWAITING_PAYMENT
    assert then.timers == {"pay_by": START + days(2)}, "the reminder; the deadline follows it"
    (placed,) = then.messages
    assert placed.pay_by == START + days(3)
    assert [(held.line_no, held.price, held.presented) for held in placed.lines] == [
        (1, eur(PRICE), eur(PRICE)),
        (2, eur(PRICE), eur(PRICE)),
    ]


@pytest.mark.parametrize("status", list(Status))
def test_the_same_order_is_never_placed_twice(status: Status) -> None:
    world = in_state(status)
    assert world.when(place()).code == "already_exists"
    assert world.order.status is status


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("id", ["buyer-1", "somebody"])
def test_only_the_buyer_places_an_order_or_support_or_a_service_for_them(role: Role, id: str) -> None:
    then = given().when(place(actor=Actor(id=id, role=role)))
    if role in (Role.SUPPORT, Role.SERVICE) or (role is Role.BUYER and id == "buyer-1"):
        assert then.kinds == ["OrderPlaced"]
    else:
        assert then.code == "forbidden"


def test_no_active_deposit_no_new_orders_p1() -> None:
    unknown_seller = World().after(AccountOpened(person_id="buyer-1", country="FR"))
    assert unknown_seller.when(place()).code == "no_active_deposit"
    assert given(suspended()).when(place()).code == "no_active_deposit"


def test_a_seller_may_sell_again_once_the_deposit_is_active_again() -> None:
    assert given(suspended(), deposit_activated()).when(place()).kinds == ["OrderPlaced"]


def test_a_suspended_deposit_stops_new_orders_only() -> None:
    world = in_state(Status.AWAITING_PAYMENT).after(suspended())
    assert world.order.status is Status.AWAITING_PAYMENT


def test_events_about_sellers_and_people_count_once() -> None:
    world = given()
    assert world.when(deposit_activated()).note
    assert world.when(AccountOpened(person_id="buyer-1", country="FR")).note
    assert world.after(suspended()).when(suspended()).note
    assert world.states[Ref("sellers", "seller-1")].version == 2


def test_a_buyer_without_an_account_is_refused() -> None:
    assert World().after(deposit_activated()).when(place()).code == "unknown_account"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_id": "o" * 41}, "invalid_order_id"),
        ({"seller_id": "buyer-1"}, "invalid_parties"),
        ({"lines": (line(1), line(1))}, "duplicate_line"),
        ({"lines": (line(1), line(2, Money(amount=1, currency="USD")))}, "mixed_currencies"),
        ({"lines": (line(1, eur(MAX_MINOR_UNITS // 2 + 1), quantity=2),)}, "amount_too_large"),
        ({"lines": (line(1, eur(MAX_MINOR_UNITS)), line(2, eur(1)))}, "amount_too_large"),
        ({"lines": (line(1, eur(MAX_MINOR_UNITS)),), "quote": quote()}, "amount_too_large"),
        ({"lines": (line(1, eur(MAX_MINOR_UNITS), 2),), "quote": quote(rate="0.01")}, "amount_too_large"),
        ({"quote": quote(settlement="GBP")}, "invalid_quote"),
        ({"quote": quote(presentment="EUR")}, "invalid_quote"),
        ({"quote": quote(expires_at=START)}, "quote_expired"),
        ({"quote": quote(expires_at=START - days(1))}, "quote_expired"),
    ],
)
def test_what_is_wrong_with_an_order_has_its_code(changes: dict[str, object], code: str) -> None:
    world = given()
    assert world.when(place(**changes)).code == code
    assert not any(ref.aggregate == "orders" for ref in world.states)


def test_a_quote_with_a_rate_of_zero_cannot_even_be_written() -> None:
    for rate in ("0", "0.000"):
        with pytest.raises(ValidationError):
            quote(rate=rate)


def test_the_largest_amount_and_the_longest_id_are_accepted() -> None:
    largest = place(order_id="o" * 40, lines=(line(1, eur(MAX_MINOR_UNITS)),))
    assert given().when(largest).kinds == ["OrderPlaced"]


def test_a_quote_is_locked_with_the_order_e3() -> None:
    world = given(place(quote=quote(expires_at=START + timedelta(microseconds=1))))
    order = world.order
    assert (order.currency, order.presentment) == ("EUR", "USD")
    assert order.quote is not None
    assert (order.quote.quote_id, order.quote.rate) == ("quote-1", "1.25")
    assert [(line.price, line.presented) for line in order.lines] == [(PRICE, 6_250)] * 2


def test_support_places_for_a_buyer_who_has_an_account() -> None:
    assert given().when(place(actor=SUPPORT, buyer_id="buyer-2")).code == "unknown_account"
    assert given().when(place(actor=BUYER, buyer_id="buyer-2")).code == "forbidden"


@pytest.mark.parametrize(
    ("price", "settlement", "presentment", "rate", "presented"),
    [
        (1_000, "EUR", "JPY", "162.5", 1_625),
        (1, "JPY", "EUR", "0.0062", 1),
        (150, "JPY", "EUR", "0.0062", 93),
        (1_000, "EUR", "KWD", "0.333", 3_330),
        (1_005, "KWD", "EUR", "1", 101),
        (1_004, "KWD", "EUR", "1", 100),
        (5, "EUR", "USD", "1.1", 6),
        (1, "EUR", "USD", "0.000000001", 1),
    ],
)
def test_presented_amounts_by_hand(price: int, settlement: str, presentment: str, rate: str, presented: int) -> None:
    assert presented_amount(price, settlement, presentment, rate) == presented


currencies = st.sampled_from(sorted(EXPONENTS))
rates = st.from_regex(r"[0-9]{1,9}(\.[0-9]{1,9})?", fullmatch=True).filter(lambda rate: Fraction(rate) > 0)
prices = st.integers(1, MAX_MINOR_UNITS)


@for_all(prices, currencies, currencies, rates)
def test_presented_is_the_exact_amount_rounded_half_up_and_at_least_one(
    price: int, settlement: str, presentment: str, rate: str
) -> None:
    exact = Fraction(price, 10 ** EXPONENTS[settlement]) * Fraction(rate) * 10 ** EXPONENTS[presentment]
    presented = presented_amount(price, settlement, presentment, rate)
    assert presented == max(1, math.floor(exact + Fraction(1, 2)))


@for_all(prices, prices, currencies, currencies, rates)
def test_a_higher_price_is_never_presented_lower(
    one: int, other: int, settlement: str, presentment: str, rate: str
) -> None:
    low, high = sorted((one, other))
    presented = presented_amount(low, settlement, presentment, rate)
    assert presented <= presented_amount(high, settlement, presentment, rate)


@for_all(prices, currencies)
def test_the_rate_one_within_a_currency_changes_nothing(price: int, currency: str) -> None:
    assert presented_amount(price, currency, currency, "1") == price


def test_policies_are_dated_and_an_order_keeps_its_version() -> None:
    (first,) = POLICIES
    second = Policy(
        version="2024_06",
        valid_from=START + days(90),
        pay_within=days(1),
        pay_within_slow=days(7),
        slow_methods=frozenset(),
        payment_attempts=3,
        transit_domestic=days(2),
        transit_abroad=days(9),
    )
    both = (first, second)
    assert policy_at(START, both) is first
    assert policy_at(second.valid_from, both) is second
    assert policy_at(first.valid_from - days(1), both) is first
    assert policy_of(first.version, both) is first
    assert [policy_of(policy.version, both) for policy in both] == [first, second]
    with pytest.raises(KeyError):
        policy_of("never", both)
    assert in_state(Status.FUNDED).order.policy == first.version


def test_transit_depends_on_both_countries_e5() -> None:
    policy = POLICIES[0]
    assert transit(policy, "FR", "FR") < transit(policy, "FR", "DE")
    assert transit(policy, "CN", "US") != transit(policy, "CN", "FR")
