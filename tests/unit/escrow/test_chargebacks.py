"""Chargebacks: the case is suspended, the book follows the bank, and nothing is refunded twice (E13)."""

import pytest

from contracts.disputes import Verdict
from contracts.escrow import (
    ChargebackRecorded,
    DisputeNotAdmitted,
    FundsSecured,
    LinesRested,
    OperationResult,
    Outcome,
    RefundStarted,
)
from contracts.payments import PayOut, QueryOperation, RefundPayment
from escrow.state import OperationKind, State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    DELIVERED,
    ID,
    PAST,
    PAYOUT_BOUNCED,
    TWO,
    asks_operator,
    charged_back,
    cleared,
    confirmed,
    days,
    delivered,
    deposit_pays,
    disputed,
    given,
    given_back,
    hours,
    moves,
    moves_nothing,
    never_arrived,
    nothing,
    paid,
    paid_late,
    payout_fails,
    payout_succeeds,
    publishes,
    recorded,
    refund_fails,
    refund_succeeds,
    refuses,
    retried,
    ruled,
    says,
    sends,
    shipped,
    stopped,
    verified,
    waits,
    withdrawn,
)

HELD = [
    State.SCREENING,
    State.UNDER_REVIEW,
    State.FUNDED,
    State.SHIPPED,
    State.INSPECTION,
    State.DISPUTED,
    State.RETURNING,
    State.REPLACING,
]


@pytest.mark.parametrize("state", HELD)
def test_e13_a_chargeback_suspends_what_is_held_and_its_reversal_restores_it(state: State) -> None:
    story = (
        given(*PAST[state])
        .when(charged_back())
        .then(
            State.CHARGEBACK,
            publishes(ChargebackRecorded),
            moves(Kind.HOLD, Kind.CHARGEBACK, 10_000),
            moves(Kind.CHARGEBACK, Kind.CLEARING, 10_000),
            waits(days(75)),
            asks_operator(),
        )
    )
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    story.when(days(20), given_back()).then(
        state, publishes(), moves(Kind.CHARGEBACK, Kind.HOLD, 10_000), asks_operator()
    )
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    assert story.balance(Kind.CLEARING, "provider") == -10_000


def test_e13_a_chargeback_that_stands_ends_the_line() -> None:
    story = (
        given(*DELIVERED, charged_back())
        .when(days(75))
        .then(
            State.CHARGED_BACK,
            publishes(LinesRested),
            says(LinesRested, outcome=Outcome.CHARGED_BACK, order_at_rest=True),
        )
    )
    assert story.balance(Kind.CLEARING, "provider") == 0
    story.when(given_back()).then(State.CHARGED_BACK, asks_operator("chargeback_reversed_late"))
    assert story.balance(Kind.CHARGEBACK, ID) == 10_000


def test_e13_a_chargeback_that_stands_closes_the_case() -> None:
    given(*DELIVERED, disputed(), charged_back()).when(days(75)).then(
        State.CHARGED_BACK,
        publishes(DisputeNotAdmitted, LinesRested),
        says(DisputeNotAdmitted, dispute_id="d-1", code="charged_back"),
    )


def test_e13_a_ruling_meanwhile_waits_for_the_bank() -> None:
    past = (*DELIVERED, disputed(), charged_back(), ruled({1: Verdict.REFUND}))
    given(*past).then(State.CHARGEBACK).when(given_back()).then(
        State.REFUNDING, publishes(RefundStarted, RefundPayment)
    )
    given(*past).when(days(75)).then(State.CHARGED_BACK, publishes(DisputeNotAdmitted, LinesRested))


def test_e13_whatever_came_meanwhile_is_decided_in_its_order_afterwards() -> None:
    past = (paid(), stopped(), charged_back(), verified(), shipped(), delivered(), disputed())
    given(*past).when(given_back()).then(State.DISPUTED, publishes(FundsSecured))
    given(*past, withdrawn(), confirmed()).when(given_back()).then(State.RELEASING)


def test_e13_a_case_opened_meanwhile_is_declined_when_the_bank_keeps_the_money() -> None:
    given(*DELIVERED, charged_back(), disputed()).when(days(75)).then(
        State.CHARGED_BACK, says(DisputeNotAdmitted, dispute_id="d-1", code="charged_back")
    )


def test_e13_a_clock_that_was_nearly_over_goes_on_with_the_minimum() -> None:
    given(*DELIVERED, days(9.5), charged_back(), days(1)).when(given_back()).then(State.INSPECTION, waits(days(3)))


def test_e13_no_second_refund_but_an_operator() -> None:
    story = (
        given(*PAST[State.REFUNDING])
        .when(charged_back())
        .then(State.REFUNDING, asks_operator("chargeback_after_refund"), moves(Kind.CHARGEBACK, Kind.CLEARING, 10_000))
    )
    story.when(refund_succeeds).then(State.REFUNDED)
    assert story.balance(Kind.CHARGEBACK, ID) == -10_000
    story.when(given_back()).then(State.REFUNDED)
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    given(*PAST[State.REFUNDED]).when(charged_back()).then(State.REFUNDED, asks_operator("chargeback_after_refund"))


@pytest.mark.parametrize("state", [State.RELEASING, State.RELEASED, State.SETTLING, State.SETTLED])
def test_e13_what_the_seller_has_is_an_operators_question(state: State) -> None:
    given(*PAST[state]).when(charged_back()).then(
        state, asks_operator("chargeback_after_release"), moves(Kind.CHARGEBACK, Kind.CLEARING, 10_000)
    )


def test_e13_with_an_operator() -> None:
    given(*PAST[State.WITH_OPERATOR]).when(charged_back()).then(
        State.WITH_OPERATOR, asks_operator("operation_unanswered", "chargeback_with_operator")
    )


@pytest.mark.parametrize("past", [PAST[State.AFTER_RELEASE], (*PAYOUT_BOUNCED, disputed())])
def test_e13_a_case_after_the_release_is_suspended_and_cannot_refund_beside_the_bank(past: tuple[object, ...]) -> None:
    story = given(*past, charged_back()).then(State.CHARGEBACK, asks_operator("chargeback_after_release"))  # type: ignore[arg-type]
    story.when(ruled({1: Verdict.REFUND})).then(State.CHARGEBACK, nothing)
    story.when(days(75)).then(State.CHARGED_BACK, publishes(DisputeNotAdmitted, LinesRested))


def test_e13_what_is_still_owed_to_the_seller_is_set_against_what_the_bank_took() -> None:
    story = (
        given(*PAYOUT_BOUNCED, disputed(), charged_back())
        .when(days(75))
        .then(State.CHARGED_BACK, moves(Kind.PAYABLE, Kind.HOLD, 9_500), moves(Kind.HOLD, Kind.CHARGEBACK, 10_000))
    )
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    assert story.balance(Kind.PAYABLE, "s-1") == 0


def test_e13_what_the_deposit_pays_is_set_against_what_the_bank_took() -> None:
    story = given(*PAST[State.RECOVERING], charged_back(), deposit_pays(7_000)).then(State.CHARGEBACK)
    story.when(days(75)).then(
        State.CHARGED_BACK, moves(Kind.CLAIMS, Kind.CHARGEBACK, 7_000), moves(Kind.FUND, Kind.CHARGEBACK, 3_000)
    )
    assert story.balance(Kind.CHARGEBACK, ID) == 0


def test_e13_a_deposit_that_answers_after_the_banks_last_word() -> None:
    story = given(*PAST[State.RECOVERING], charged_back(), days(75)).then(State.CHARGED_BACK)
    story.when(deposit_pays(10_000)).then(State.CHARGED_BACK, moves(Kind.CLAIMS, Kind.CHARGEBACK, 10_000))


def test_e13_a_reversal_lets_the_recovery_go_on() -> None:
    given(*PAST[State.RECOVERING], charged_back(), deposit_pays(10_000)).when(given_back()).then(State.REFUNDING)


def test_e13_another_amount_is_booked_as_it_is_and_asked_about() -> None:
    story = (
        given(*DELIVERED)
        .when(charged_back(6_000))
        .then(
            State.CHARGEBACK, moves(Kind.CHARGEBACK, Kind.CLEARING, 6_000), asks_operator("chargeback_amount_differs")
        )
    )
    assert story.balance(Kind.CHARGEBACK, ID) == 4_000
    assert story.balance(Kind.CLEARING, "provider") == -4_000
    story.when(given_back(6_000)).then(State.INSPECTION)
    assert story.balance(Kind.CHARGEBACK, ID) == 0


def test_e13_a_reversal_of_another_amount_is_asked_about() -> None:
    given(*DELIVERED, charged_back()).when(given_back(9_000)).then(
        State.INSPECTION, asks_operator("chargeback_amount_differs")
    )


def test_e13_the_two_messages_may_come_in_either_order() -> None:
    story = given(*DELIVERED).when(given_back()).then(State.INSPECTION, nothing)
    story.when(charged_back()).then(State.INSPECTION, publishes())
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    story.when(charged_back(), given_back()).then(State.INSPECTION, nothing)


def test_e13_a_chargeback_heard_of_before_its_payment_is_remembered() -> None:
    story = given().when(charged_back(), charged_back()).then(nothing)
    story.when(paid()).then(State.CHARGEBACK, says(ChargebackRecorded, chargeback_id="cb-1"))
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    story.when(cleared(), given_back()).then(State.FUNDED)
    given(charged_back(), given_back()).when(paid()).then(State.SCREENING)


def test_e13_each_is_heard_once() -> None:
    story = given(*DELIVERED, charged_back()).when(charged_back()).then(State.CHARGEBACK, nothing)
    story.when(given_back()).then(State.INSPECTION)
    story.when(given_back(), charged_back()).then(State.INSPECTION, nothing)


def test_e13_a_second_chargeback_keeps_the_line_until_both_are_reversed() -> None:
    story = (
        given(*DELIVERED, charged_back())
        .when(charged_back(id="cb-2"))
        .then(State.CHARGEBACK, asks_operator("chargeback_repeated"))
    )
    story.when(given_back()).then(State.CHARGEBACK)
    story.when(given_back(id="cb-2")).then(State.INSPECTION)
    assert story.balance(Kind.CHARGEBACK, ID) == 0


def test_e13_an_operator_closes_the_question() -> None:
    story = given(*PAST[State.REFUNDED], charged_back())
    story.when(recorded(OperationResult.SUCCEEDED, "cb-1")).then(State.REFUNDED, asks_operator())
    story.when(charged_back()).then(asks_operator())


def test_e13_lines_in_different_states_each_take_their_own_row() -> None:
    past = (paid(TWO), cleared(), shipped(), delivered(), confirmed(1), payout_succeeds, hours(1))
    story = (
        given(*past)
        .when(charged_back(13_000))
        .then(
            {1: State.RELEASED, 2: State.CHARGEBACK},
            says(ChargebackRecorded, lines=(2,)),
            asks_operator("chargeback_after_release"),
        )
    )
    assert story.balance(Kind.CHARGEBACK, ID) == -10_000
    story.when(days(80)).then({1: State.RELEASED, 2: State.CHARGED_BACK})


BESIDE = (*PAST[State.REFUNDING], charged_back(), refund_fails, hours(1))
"""A refund was under way when the bank took the money, and failed afterwards."""


def test_e13_a_refund_that_fails_beside_a_chargeback_is_not_sent_again() -> None:
    story = given(*PAST[State.REFUNDING], charged_back(), refund_fails)
    story.when(hours(1)).then(State.WITH_OPERATOR, sends(), moves_nothing)
    story.then(asks_operator("chargeback_after_refund", "refund_beside_chargeback"))
    story.when(retried()).then(State.WITH_OPERATOR, refuses("chargeback_open"), nothing)


def test_e13_a_refund_that_never_arrived_is_not_repeated_beside_a_chargeback() -> None:
    story = given(*PAST[State.REFUNDING], charged_back(), days(1)).when(never_arrived).then(State.REFUNDING, nothing)
    story.when(given_back(), days(1), never_arrived).then(State.REFUNDING, sends(QueryOperation, RefundPayment))


def test_e13_what_the_bank_keeps_takes_the_place_of_the_refund() -> None:
    story = given(*BESIDE).when(recorded(OperationResult.BY_BANK))
    story.then(State.REFUNDED, publishes(LinesRested), moves(Kind.REFUND_TRANSIT, Kind.CHARGEBACK, 10_000))
    assert story.balance(Kind.CHARGEBACK, ID) == 0
    assert story.balance(Kind.CLEARING, "provider") == 0
    story.when(refund_fails).then(State.REFUNDED, nothing)
    story.when(retried()).then(refuses("already_answered"), nothing)
    story.when(recorded(OperationResult.SUCCEEDED, "cb-1")).then(asks_operator())
    story.when(refund_succeeds).then(State.REFUNDED, moves_nothing, asks_operator("result_contradicts"))
    story.when(given_back()).then(State.REFUNDED, asks_operator("result_contradicts", "chargeback_reversed_late"))


def test_e13_a_reversal_lets_the_operator_send_the_refund() -> None:
    story = given(*BESIDE, given_back()).when(recorded(OperationResult.BY_BANK)).then(refuses("no_chargeback"), nothing)
    story.when(retried()).then(State.REFUNDING, says(RefundPayment, operation_id="refund-o-1-2"))
    story.when(refund_succeeds).then(State.REFUNDED)
    assert story.balance(Kind.CLEARING, "provider") == 0


def test_e13_only_a_refund_that_failed_can_be_the_banks() -> None:
    stuck = (*PAST[State.REFUNDING], charged_back(), days(6))
    given(*stuck).when(recorded(OperationResult.BY_BANK)).then(State.WITH_OPERATOR, refuses("no_chargeback"), nothing)
    given(*PAST[State.WITH_OPERATOR]).when(recorded(OperationResult.BY_BANK)).then(refuses("no_chargeback"), nothing)


def test_e13_the_sellers_part_of_a_split_goes_on_beside_a_chargeback() -> None:
    story = given(*PAST[State.SETTLING], charged_back(), refund_fails, payout_fails)
    story.when(hours(6)).then(State.SETTLING, sends(PayOut))
    story.when(payout_succeeds, days(1)).then(State.WITH_OPERATOR, sends())
    refund = next(each.id for each in story.state.operations if each.kind is OperationKind.REFUND)
    story.when(recorded(OperationResult.BY_BANK, refund)).then(State.SETTLED)
    assert story.balance(Kind.CHARGEBACK, ID) == -7_000


def test_e13_a_deposit_that_pays_with_an_operator_beside_a_chargeback_sends_no_refund() -> None:
    story = given(*PAST[State.RECOVERING], days(6), charged_back()).when(deposit_pays(10_000))
    story.then(State.REFUNDING, sends())
    story.when(days(1)).then(State.WITH_OPERATOR, sends())
    story.when(recorded(OperationResult.BY_BANK)).then(State.REFUNDED)
    assert story.balance(Kind.CHARGEBACK, ID) == 0


def test_e13_a_late_payment_that_its_bank_took_before_is_not_refunded() -> None:
    story = given(charged_back()).when(paid_late()).then(State.REFUNDING, sends())
    story.when(days(1)).then(State.WITH_OPERATOR, asks_operator("refund_beside_chargeback"))
    story.when(recorded(OperationResult.BY_BANK)).then(State.REFUNDED)
    assert story.balance(Kind.CLEARING, "provider") == 0
