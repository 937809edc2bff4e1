"""Several lines, other currencies, splits that do not divide evenly: to the last minor unit (E3, E14, D4)."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from contracts.disputes import Verdict
from contracts.escrow import FundsHeld, FundsReleased, LinesRested, RefundStarted
from contracts.identity import ScreenOrder
from contracts.money import Money
from contracts.orders import HeldLine
from contracts.payments import PayOut, RefundPayment
from escrow.state import State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    ID,
    TWO,
    cancelled,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    given,
    line,
    moves,
    order,
    paid,
    payout_fails,
    payout_succeeds,
    publishes,
    refund_succeeds,
    replacement_shipped,
    ruled,
    says,
    sends,
    shipped,
)

YEN = order(line(1, 10_000, 1_623, of="USD", paid_in="JPY"))
DINARS = order(line(1, 5_000, 1_234_567, of="EUR", paid_in="KWD"))


def test_e14_lines_that_take_the_same_row_go_as_one() -> None:
    story = given().when(paid(TWO)).then(publishes(FundsHeld, ScreenOrder), says(FundsHeld, lines=TWO.lines))
    story.when(cleared(), shipped(), confirmed()).then(
        State.RELEASING, says(PayOut, amount=Money(amount=12_350, currency="EUR"))
    )
    assert [each.line_no for each in next(e for e in story.happened if isinstance(e, FundsReleased)).lines] == [1, 2]
    story.when(payout_succeeds).then(State.RELEASED, says(LinesRested, lines=(1, 2), order_at_rest=True))


def test_e14_lines_confirmed_apart_are_paid_apart() -> None:
    story = (
        given(paid(TWO), cleared(), shipped(), delivered())
        .when(confirmed(2))
        .then({1: State.INSPECTION, 2: State.RELEASING}, says(PayOut, operation_id="payout-o-1-1"))
    )
    story.when(payout_succeeds).then(
        {1: State.INSPECTION, 2: State.RELEASED}, says(LinesRested, lines=(2,), order_at_rest=False)
    )
    story.when(confirmed()).then({1: State.RELEASING, 2: State.RELEASED}, says(PayOut, operation_id="payout-o-1-2"))
    story.when(payout_succeeds).then(State.RELEASED, says(LinesRested, lines=(1,), order_at_rest=True))


def test_e14_lines_from_different_states_take_one_row_together() -> None:
    past = (paid(TWO), cleared(), shipped(), delivered(), disputed(2), ruled({2: Verdict.REPLACE}))
    story = given(*past).when(replacement_shipped(2)).then({1: State.INSPECTION, 2: State.SHIPPED})
    story.when(confirmed()).then(State.RELEASING, sends(PayOut))


def test_one_ruling_of_three_kinds_takes_three_rows() -> None:
    bought = order(line(1, 1_000), line(2, 2_000), line(3, 3_000), line(4, 4_000))
    past = (paid(bought), cleared(), shipped(), delivered(), disputed(1, 2, 3, 4))
    story = given(*past).when(ruled({1: Verdict.REFUND, 2: 5_000, 3: Verdict.RELEASE, 4: Verdict.REFUND}))
    story.then(
        {1: State.REFUNDING, 2: State.SETTLING, 3: State.RELEASING, 4: State.REFUNDING},
        publishes(
            *(RefundStarted, RefundPayment),
            *(FundsReleased, RefundStarted, PayOut, RefundPayment),
            *(FundsReleased, PayOut),
        ),
        moves(Kind.HOLD, Kind.REFUND_TRANSIT, 6_000),
    )


def test_a_cancelled_order_of_several_lines_is_one_refund() -> None:
    given(paid(TWO), cleared()).when(cancelled()).then(
        State.REFUNDING, says(RefundPayment, amount=Money(amount=13_000, currency="EUR"))
    )


@pytest.mark.parametrize("bought", [YEN, DINARS])
def test_e3_a_refund_is_exactly_what_was_paid_in_the_buyers_currency(bought: object) -> None:
    presented = bought.presented  # type: ignore[attr-defined]
    story = given(paid(bought), cleared()).when(cancelled()).then(says(RefundPayment, amount=presented))  # type: ignore[arg-type]
    story.when(refund_succeeds).then(State.REFUNDED)
    assert story.balance(Kind.CLEARING, "provider", presented.currency) == 0
    assert story.balance(Kind.FX, "platform", presented.currency) == 0


def test_e3_a_release_converts_at_the_locked_quote() -> None:
    story = (
        given(paid(YEN), cleared(), shipped())
        .when(confirmed())
        .then(
            says(PayOut, amount=Money(amount=9_500, currency="USD")),
            moves(Kind.HOLD, Kind.FX, 1_623),
            moves(Kind.FX, Kind.PAYABLE, 9_500),
            moves(Kind.FX, Kind.FEES, 500),
        )
    )
    story.when(payout_succeeds).then(State.RELEASED)
    assert story.balance(Kind.FX, "platform", "JPY") == 1_623
    assert story.balance(Kind.FX, "platform", "USD") == -10_000


def test_e3_a_payout_that_failed_is_undone_through_the_same_accounts() -> None:
    past = (paid(YEN), cleared(), shipped(), confirmed(), payout_fails, disputed(), ruled({1: Verdict.REFUND}))
    story = given(*past, refund_succeeds).then(State.REFUNDED)
    for currency in ("JPY", "USD"):
        assert story.balance(Kind.FX, "platform", currency) == 0
        assert story.balance(Kind.CLEARING, "provider", currency) == 0


def test_d4_what_a_split_cannot_divide_stays_in_the_currency_position() -> None:
    """A third of 1,623 yen is 541 exactly; a third of 10,000 cents is not a number of cents."""
    story = (
        given(paid(YEN), cleared(), shipped(), disputed())
        .when(ruled({1: 6_667}))
        .then(
            State.SETTLING,
            moves(Kind.HOLD, Kind.REFUND_TRANSIT, 1_082),
            moves(Kind.HOLD, Kind.FX, 541),
            moves(Kind.FX, Kind.PAYABLE, 3_167),
            moves(Kind.FX, Kind.FEES, 166),
        )
    )
    assert story.balance(Kind.HOLD, f"{ID}/1", "JPY") == 0


def test_d4_a_split_whose_buyers_part_rounds_to_nothing_is_a_release() -> None:
    given(paid(order(line(1, 1))), cleared(), disputed()).when(ruled({1: 9_999})).then(State.RELEASING, sends(PayOut))


def test_d4_a_split_whose_sellers_part_rounds_to_nothing_pays_the_buyer_only() -> None:
    """One cent, paid with 1,000 yen: half of a cent is nothing, and the 500 yen are a gain of the platform's."""
    bought = order(line(1, 1, 1_000, of="USD", paid_in="JPY"))
    story = (
        given(paid(bought), cleared(), disputed())
        .when(ruled({1: 5_000}))
        .then(State.SETTLING, publishes(RefundStarted, RefundPayment))
    )
    story.when(refund_succeeds).then(State.SETTLED)
    assert story.balance(Kind.FX, "platform", "JPY") == 500


AMOUNTS = st.integers(1, 10**12)
CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])


@st.composite
def held_lines(draw: st.DrawFn) -> HeldLine:
    settlement, presentment, price = draw(CURRENCIES), draw(CURRENCIES), draw(AMOUNTS)
    presented = price if settlement == presentment else draw(AMOUNTS)
    category = draw(st.sampled_from(["books", "clothing", "electronics", "toys"]))
    return line(1, price, presented, of=settlement, paid_in=presentment, category=category)


@for_all(bought=held_lines(), points=st.integers(1, 9_999))
def test_d4_any_split_of_any_amount_ends_the_hold_at_zero(bought: HeldLine, points: int) -> None:
    story = given(paid(order(bought)), cleared(), shipped(), disputed(), ruled({1: points}))
    tranche, price, presented = story.tranche(), bought.price, bought.presented
    assert tranche.to_buyer == presented.amount * points // 10_000
    gross = tranche.to_seller + tranche.fee
    assert gross == price.amount * (presented.amount - tranche.to_buyer) // presented.amount
    if price.currency == presented.currency:
        assert tranche.to_buyer + gross == price.amount
        assert story.balance(Kind.FX, "platform", price.currency) == 0
    assert story.balance(Kind.HOLD, f"{ID}/1", presented.currency) == 0


@for_all(bought=st.lists(held_lines(), min_size=1, max_size=1), wait=st.integers(0, 20))
def test_e7_any_release_pays_price_less_fee(bought: list[HeldLine], wait: int) -> None:
    story = given(paid(order(*bought)), cleared(), shipped(), delivered(), days(wait / 4), confirmed(), payout_succeeds)
    tranche = story.tranche()
    assert tranche.state is State.RELEASED
    assert tranche.to_seller + tranche.fee == bought[0].price.amount
    assert tranche.to_seller > tranche.fee >= 0
