"""Quotes: a rate locked for one buyer, and an order that keeps it (E3)."""

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from contracts.message import Actor, Role
from contracts.orders import Quote
from orders.quotes import Issued
from orders.rates import TABLES, rate_at
from runtime.decision import Ref
from tests.unit.orders.given import BUYER, START, SUPPORT, World, ask_quote, given, place, quote

SHOP = Actor(id="shop", role=Role.SERVICE)


def issued(world: World, quote_id: str = "quote-7") -> Issued:
    state = world.states[Ref("quotes", quote_id)].state
    assert isinstance(state, Issued)
    return state


def test_a_quote_stands_for_half_an_hour_and_says_so() -> None:
    world = given()
    (told,) = world.when(ask_quote()).messages
    assert (told.rate, told.expires_at) == ("1.086956522", START + timedelta(minutes=30))
    assert told.rate == issued(world).rate


def test_asked_again_the_same_quote_stands_whatever_the_time() -> None:
    world = given(ask_quote())
    before = issued(world)
    assert world.later(timedelta(hours=3)).when(ask_quote()).messages == []
    assert issued(world) == before
    assert world.when(ask_quote(presentment="JPY")).code == "already_exists"


def test_an_order_by_quote_id_keeps_the_issued_rate_e3() -> None:
    world = given(ask_quote(), place(quote_id="quote-7"))
    locked = world.order.quote
    assert locked is not None
    assert (locked.quote_id, locked.rate) == ("quote-7", "1.086956522")
    assert (world.order.presentment, [line.presented for line in world.order.lines]) == ("USD", [5_435, 5_435])


def test_an_expired_quote_places_nothing() -> None:
    world = given(ask_quote()).later(timedelta(minutes=30))
    assert world.when(place(quote_id="quote-7")).code == "quote_expired"


@pytest.mark.parametrize("changes", [{"quote_id": "quote-8"}, {"actor": SUPPORT, "quote_id": "of-another"}])
def test_a_quote_that_was_not_issued_to_the_buyer_is_none(changes: dict[str, object]) -> None:
    world = given(ask_quote("of-another", SHOP, buyer_id="buyer-1"))
    state = world.states[Ref("quotes", "of-another")]
    world.states[Ref("quotes", "of-another")] = type(state)(
        Issued("of-another", "buyer-2", "USD", "EUR", "1", START + timedelta(days=1)), 1
    )
    assert world.when(place(**changes)).code == "invalid_quote"


def test_a_buyer_brings_no_rate_of_their_own_and_may_repeat_the_issued_one() -> None:
    world = given(ask_quote())
    said = issued(world)
    whole = Quote(
        quote_id=said.quote_id, presentment="USD", settlement="EUR", rate=said.rate, expires_at=said.expires_at
    )
    assert world.when(place(actor=BUYER, quote=quote())).code == "invalid_quote"
    better = whole.model_copy(update={"rate": "0.000001"})
    assert world.when(place(actor=BUYER, quote=better, quote_id="quote-7")).code == "invalid_quote"
    assert world.when(place(actor=BUYER, quote=whole, quote_id="quote-7")).kinds == ["OrderPlaced"]


@pytest.mark.parametrize("actor", [SUPPORT, SHOP])
def test_who_answers_for_a_rate_may_bring_it(actor: Actor) -> None:
    assert given().when(place(actor=actor, quote=quote())).kinds == ["OrderPlaced"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (ask_quote(actor=Actor(id="buyer-2", role=Role.BUYER)), "forbidden"),
        (ask_quote(actor=Actor(id="seller-1", role=Role.SELLER)), "forbidden"),
        (ask_quote(actor=SHOP, buyer_id="nobody"), "unknown_account"),
        (ask_quote(presentment="EUR"), "invalid_quote"),
        (ask_quote(presentment="XAF"), "no_rate"),
    ],
)
def test_what_cannot_be_quoted_has_its_code(asked: object, code: str) -> None:
    assert given().when(asked).code == code  # type: ignore[arg-type]


PAIRS = [(one, other) for one in TABLES[0].per_dollar for other in TABLES[0].per_dollar if one != other]


@for_all(st.sampled_from(PAIRS))
def test_a_rate_and_its_reverse_give_back_what_was_exchanged_but_for_rounding(pair: tuple[str, str]) -> None:
    there, back = rate_at(START, *pair), rate_at(START, *reversed(pair))
    assert there is not None and back is not None
    error = abs(Fraction(there) * Fraction(back) - 1)
    assert error <= (Fraction(there) + Fraction(back) + 1) * Fraction(1, 10**9)


def test_tables_are_dated() -> None:
    old, new = TABLES[0], TABLES[-1]
    assert rate_at(old.valid_from, "EUR", "USD") == "0.92"
    assert rate_at(new.valid_from, "EUR", "USD") == "0.86"
    assert rate_at(old.valid_from - timedelta(days=1), "EUR", "USD") == "0.92"
