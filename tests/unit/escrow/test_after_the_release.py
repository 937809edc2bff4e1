"""Cases after the release: hold, seller's balance, deposit, platform fund, in that order (D1, P8)."""

import pytest

from contracts.deposits import ClaimDeposit
from contracts.disputes import Verdict
from contracts.escrow import (
    DisputeLapsed,
    DisputeNotAdmitted,
    FundsReleased,
    LinesRested,
    Outcome,
    RefundStarted,
    Why,
)
from contracts.money import Money
from contracts.payments import PayOut, RefundPayment
from escrow.state import State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    DELIVERED,
    PAST,
    PAYOUT_BOUNCED,
    RELEASED_ORDER,
    TWO,
    asks_operator,
    charged_back,
    cleared,
    confirmed,
    days,
    deposit_pays,
    disputed,
    given,
    hours,
    line,
    moves,
    nothing,
    order,
    paid,
    payout_fails,
    payout_succeeds,
    publishes,
    refund_succeeds,
    replacement_shipped,
    retried,
    return_received,
    ruled,
    says,
    sends,
    shipped,
    waits,
    withdrawn,
)


def test_d1_a_case_may_be_opened_while_the_window_lasts() -> None:
    given(*RELEASED_ORDER, days(15)).when(disputed()).then(State.AFTER_RELEASE, nothing, waits(days(30)))


def test_d1_and_not_later() -> None:
    given(*RELEASED_ORDER, days(15.1)).when(disputed()).then(
        State.RELEASED, says(DisputeNotAdmitted, code="window_over")
    )


def test_a_line_that_was_ruled_is_not_disputed_again() -> None:
    past = (*DELIVERED, disputed(), ruled({1: Verdict.RELEASE}), payout_succeeds)
    given(*past).when(disputed(case="d-2")).then(State.RELEASED, says(DisputeNotAdmitted, code="already_ruled"))


def test_a_line_that_a_bank_took_is_not_disputed() -> None:
    given(*RELEASED_ORDER, charged_back()).when(disputed()).then(
        State.RELEASED, says(DisputeNotAdmitted, code="charged_back")
    )


@pytest.mark.parametrize("end", [withdrawn(), ruled({1: Verdict.RELEASE})])
def test_the_seller_keeps_what_the_buyer_does_not_win(end: object) -> None:
    given(*RELEASED_ORDER, disputed()).when(end).then(  # type: ignore[arg-type]
        State.RELEASED, publishes(LinesRested), says(LinesRested, outcome=Outcome.RELEASED, order_at_rest=True)
    )


def test_d7_a_case_withdrawn_after_the_release_may_be_opened_again() -> None:
    given(*RELEASED_ORDER, disputed(), withdrawn()).when(disputed(case="d-2")).then(State.AFTER_RELEASE)


def test_p8_the_deposit_pays_what_the_buyer_wins() -> None:
    story = (
        given(*RELEASED_ORDER, disputed())
        .when(ruled({1: Verdict.REFUND}))
        .then(
            State.RECOVERING,
            publishes(ClaimDeposit),
            says(ClaimDeposit, seller_id="s-1", claim_id="claim-o-1-2", amount=Money(amount=10_000, currency="EUR")),
        )
    )
    story.when(deposit_pays(10_000)).then(
        State.REFUNDING,
        publishes(RefundStarted, RefundPayment),
        moves(Kind.CLAIMS, Kind.REFUND_TRANSIT, 10_000),
        moves(Kind.FUND, Kind.REFUND_TRANSIT, 0),
    )
    story.when(refund_succeeds).then(State.REFUNDED)


def test_p8_the_fund_pays_what_the_deposit_cannot() -> None:
    given(*PAST[State.RECOVERING]).when(deposit_pays(4_000)).then(
        State.REFUNDING,
        moves(Kind.CLAIMS, Kind.REFUND_TRANSIT, 4_000),
        moves(Kind.FUND, Kind.REFUND_TRANSIT, 6_000),
    )
    given(*PAST[State.RECOVERING]).when(deposit_pays(0)).then(moves(Kind.FUND, Kind.REFUND_TRANSIT, 10_000))


def test_an_answer_in_another_currency_pays_nothing_and_is_asked_about() -> None:
    given(*PAST[State.RECOVERING]).when(deposit_pays(4_000, "CNY")).then(
        State.REFUNDING, moves(Kind.FUND, Kind.REFUND_TRANSIT, 10_000), asks_operator("claim_currency_differs")
    )


def test_p8_a_split_after_the_payout_claims_the_buyers_part() -> None:
    story = (
        given(*RELEASED_ORDER, disputed())
        .when(ruled({1: 2_500}))
        .then(State.RECOVERING, says(ClaimDeposit, amount=Money(amount=2_500, currency="EUR")))
    )
    story.when(deposit_pays(2_500)).then(State.SETTLING, sends(RefundPayment))
    story.when(refund_succeeds).then(State.SETTLED)


def test_p8_lines_claimed_together_are_one_claim_and_one_refund() -> None:
    past = (paid(TWO), cleared(), shipped(), confirmed(), payout_succeeds, disputed(1, 2))
    story = (
        given(*past)
        .when(ruled({1: Verdict.REFUND, 2: Verdict.REFUND}))
        .then(says(ClaimDeposit, amount=Money(amount=13_000, currency="EUR")))
    )
    story.when(deposit_pays(13_000)).then(
        State.REFUNDING, says(RefundPayment, amount=Money(amount=13_000, currency="EUR"))
    )


def test_d6_nobody_rules_after_the_release() -> None:
    given(*RELEASED_ORDER, disputed()).when(days(30)).then(State.RECOVERING, publishes(DisputeLapsed, ClaimDeposit))


def test_a_return_after_the_release_is_paid_by_the_deposit() -> None:
    story = given(*RELEASED_ORDER, disputed(), ruled({1: Verdict.RETURN})).then(State.RETURNING)
    story.when(return_received()).then(State.RECOVERING, sends(ClaimDeposit))
    given(*RELEASED_ORDER, disputed(), ruled({1: Verdict.RETURN})).when(days(10)).then(
        State.RELEASED, publishes(LinesRested)
    )


def test_a_replacement_after_the_release_ends_the_case() -> None:
    past = (*RELEASED_ORDER, disputed(), ruled({1: Verdict.REPLACE}))
    given(*past).when(replacement_shipped()).then(State.RELEASED, publishes(LinesRested))
    given(*past).when(days(10)).then(State.RECOVERING, sends(ClaimDeposit))


def test_a_case_opened_while_the_payout_is_under_way_waits_for_its_answer() -> None:
    story = given(*DELIVERED, confirmed()).when(disputed()).then(State.RELEASING, nothing)
    story.when(payout_succeeds).then(State.AFTER_RELEASE, publishes(LinesRested))
    assert story.state.kept == ()


def test_a_case_opened_and_ruled_while_the_payout_is_under_way() -> None:
    story = given(*DELIVERED, confirmed(), disputed(), ruled({1: Verdict.REFUND})).then(State.RELEASING)
    story.when(payout_succeeds).then(State.RECOVERING, publishes(LinesRested, ClaimDeposit))


def test_a_case_opened_and_withdrawn_while_the_payout_is_under_way() -> None:
    given(*DELIVERED, confirmed(), disputed(), withdrawn()).when(payout_succeeds).then(State.RELEASED)


def test_what_was_said_in_another_case_does_not_touch_the_one_that_was_opened_first() -> None:
    both = (disputed(), disputed(case="d-2"), withdrawn(case="d-2"))
    given(*DELIVERED, confirmed(), *both).when(payout_succeeds).then(
        State.AFTER_RELEASE, says(DisputeNotAdmitted, dispute_id="d-2", code="already_disputed")
    )


def test_p8_a_payout_that_failed_serves_the_buyer_first() -> None:
    story = given(*DELIVERED, confirmed(), disputed()).when(payout_fails).then(State.AFTER_RELEASE, publishes())
    assert story.balance(Kind.PAYABLE, "s-1") == 9_500
    story.when(ruled({1: Verdict.REFUND})).then(
        State.REFUNDING,
        publishes(RefundStarted, RefundPayment),
        moves(Kind.PAYABLE, Kind.HOLD, 9_500),
        moves(Kind.FEES, Kind.HOLD, 500),
        moves(Kind.HOLD, Kind.REFUND_TRANSIT, 10_000),
    )
    story.when(refund_succeeds).then(State.REFUNDED)
    assert story.balance(Kind.CLEARING, "provider") == 0


def test_p8_a_payout_that_failed_is_shared_by_a_split() -> None:
    story = (
        given(*PAYOUT_BOUNCED, disputed())
        .when(ruled({1: 4_000}))
        .then(
            State.SETTLING,
            publishes(FundsReleased, RefundStarted, PayOut, RefundPayment),
            moves(Kind.HOLD, Kind.REFUND_TRANSIT, 4_000),
            moves(Kind.HOLD, Kind.PAYABLE, 5_700),
        )
    )
    story.when(payout_succeeds, refund_succeeds).then(State.SETTLED)
    assert story.balance(Kind.FEES, "platform") == 300


@pytest.mark.parametrize("end", [withdrawn(), ruled({1: Verdict.RELEASE})])
def test_a_payout_that_failed_is_sent_again_when_the_seller_keeps_it(end: object) -> None:
    story = (
        given(*PAYOUT_BOUNCED, disputed())
        .when(end)
        .then(  # type: ignore[arg-type]
            State.RELEASING, publishes(PayOut), says(PayOut, operation_id="payout-o-1-2")
        )
    )
    story.when(payout_succeeds).then(State.RELEASED)


def test_a_line_in_a_case_is_left_out_when_the_failed_payout_is_sent_again() -> None:
    past = (paid(TWO), cleared(), shipped(), confirmed(), payout_fails, disputed(1))
    story = given(*past).then({1: State.AFTER_RELEASE, 2: State.RELEASING})
    story.when(hours(1)).then(says(PayOut, amount=Money(amount=2_850, currency="EUR")))
    story.when(payout_succeeds).then({1: State.AFTER_RELEASE, 2: State.RELEASED})
    story.when(ruled({1: Verdict.REFUND}), refund_succeeds).then({1: State.REFUNDED, 2: State.RELEASED})


def test_a_deposit_that_does_not_answer_is_asked_again_and_then_an_operator_is() -> None:
    story = (
        given(*PAST[State.RECOVERING])
        .when(days(1))
        .then(State.RECOVERING, publishes(ClaimDeposit), says(ClaimDeposit, claim_id="claim-o-1-2"))
    )
    story.when(days(5)).then(State.WITH_OPERATOR, asks_operator("deposit_unanswered"))
    story.when(retried()).then(State.RECOVERING, sends(ClaimDeposit), asks_operator())
    story.when(deposit_pays(10_000)).then(State.REFUNDING)


def test_a_deposit_that_answers_an_operators_case_late_is_heard() -> None:
    given(*PAST[State.RECOVERING], days(6)).when(deposit_pays(1)).then(State.REFUNDING, asks_operator())


def test_a_case_waits_with_the_operator_until_the_payout_is_found_out() -> None:
    story = given(*PAST[State.WITH_OPERATOR]).when(disputed(), ruled({1: Verdict.REFUND})).then(State.WITH_OPERATOR)
    story.when(payout_succeeds).then(State.RECOVERING, publishes(LinesRested, ClaimDeposit))


def test_a_split_that_gives_the_buyer_nothing_is_a_release_after_the_release_as_well() -> None:
    past = (paid(order(line(1, 1))), cleared(), shipped(), confirmed(), payout_succeeds, disputed())
    given(*past).when(ruled({1: 9_999})).then(State.RELEASED)


def test_why_is_the_reason_of_the_last_decision() -> None:
    assert given(*RELEASED_ORDER, disputed(), withdrawn()).tranche().why is Why.CONFIRMED
    assert given(*PAST[State.RECOVERING]).tranche().why is Why.RULING
