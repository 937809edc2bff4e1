"""Payouts and refunds at the provider: answers that fail, are missing, late, doubled or contradict each other."""

import pytest

from contracts.escrow import LinesRested, OperationResult, OperatorNeeded
from contracts.message import Actor, Role
from contracts.money import Money
from contracts.payments import PayOut, PayoutFailed, PayoutSucceeded, QueryOperation, RefundPayment
from escrow.operations import operation_id
from escrow.policy import POLICIES
from escrow.state import OperationKind, State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    DELIVERED,
    ID,
    PAST,
    STUCK_PAYOUT,
    asks_operator,
    cancelled,
    confirmed,
    days,
    disputed,
    given,
    hours,
    moves,
    moves_nothing,
    never_arrived,
    nothing,
    paid,
    payout_fails,
    payout_succeeds,
    publishes,
    recorded,
    refund_fails,
    refund_succeeds,
    refuses,
    reserves,
    retried,
    ruled,
    says,
    sends,
    waits,
)

RELEASING = (*DELIVERED, confirmed())
REFUNDING = (paid(), cancelled())
FIRST = Money(amount=9_500, currency="EUR")


def test_a_failed_payout_is_sent_again_under_a_new_id_after_a_wait() -> None:
    story = given(*RELEASING).when(payout_fails).then(State.RELEASING, publishes(), waits(hours(1)))
    assert story.balance(Kind.PAYABLE, "s-1") == 9_500
    assert story.book.pending() == {}
    story.when(hours(1)).then(
        State.RELEASING, publishes(PayOut), says(PayOut, operation_id="payout-o-1-2"), reserves(9_500), waits(days(1))
    )
    story.when(payout_succeeds).then(State.RELEASED)


def test_each_failure_waits_longer_and_the_fifth_goes_to_an_operator() -> None:
    story = given(*RELEASING)
    for wait in (hours(1), hours(6), days(1), days(3)):
        story.when(payout_fails).then(State.RELEASING, waits(wait))
        story.when(wait).then(sends(PayOut))
    story.when(payout_fails).then(
        State.WITH_OPERATOR,
        publishes(OperatorNeeded),
        says(OperatorNeeded, operation_id="payout-o-1-5", code="operation_failed", lines=(1,)),
        asks_operator("operation_failed"),
    )
    story.when(days(400)).then(State.WITH_OPERATOR, nothing)


def test_a_failed_refund_is_sent_again_and_again_and_goes_to_an_operator() -> None:
    story = given(*REFUNDING)
    for wait in (hours(1), hours(6), days(1), days(3)):
        story.when(refund_fails).then(State.REFUNDING, waits(wait))
        story.when(wait).then(sends(RefundPayment))
    story.when(refund_fails).then(State.WITH_OPERATOR)
    story.when(retried()).then(State.REFUNDING, says(RefundPayment, operation_id="refund-o-1-6"))
    story.when(refund_succeeds).then(State.REFUNDED, asks_operator())


def test_no_answer_is_asked_for_and_not_sent_again() -> None:
    story = given(*RELEASING)
    for _ in range(5):
        story.when(days(1)).then(
            State.RELEASING, publishes(QueryOperation), says(QueryOperation, operation_id="payout-o-1-1")
        )
    story.when(days(1)).then(
        State.WITH_OPERATOR, publishes(OperatorNeeded), asks_operator("operation_unanswered"), moves_nothing
    )


def test_what_the_provider_never_saw_is_sent_again_under_the_same_id() -> None:
    story = (
        given(*RELEASING, days(1))
        .when(never_arrived)
        .then(
            State.RELEASING, publishes(PayOut), says(PayOut, operation_id="payout-o-1-1", amount=FIRST), moves_nothing
        )
    )
    story.when(never_arrived).then(nothing)
    story.when(payout_succeeds).then(State.RELEASED)


def test_an_operation_that_gets_lost_again_and_again_ends_with_an_operator() -> None:
    story = given(*RELEASING)
    for _ in range(5):
        story.when(days(1), never_arrived).then(State.RELEASING, sends(QueryOperation, PayOut))
    story.when(days(1)).then(State.WITH_OPERATOR)


def test_not_found_without_a_question_is_no_answer() -> None:
    given(*RELEASING).when(never_arrived).then(State.RELEASING, nothing)


def test_a_late_success_moves_the_line_out_of_the_operators_queue() -> None:
    given(*STUCK_PAYOUT).when(payout_succeeds).then(
        State.RELEASED, publishes(LinesRested), moves(Kind.PAYOUT_TRANSIT, Kind.CLEARING, 9_500), asks_operator()
    )


def test_a_late_failure_lets_the_operator_send_it_again() -> None:
    story = given(*STUCK_PAYOUT).when(retried()).then(State.WITH_OPERATOR, refuses("operation_unanswered"), nothing)
    story.when(payout_fails).then(State.WITH_OPERATOR, asks_operator("operation_unanswered"))
    story.when(retried()).then(State.RELEASING, says(PayOut, operation_id="payout-o-1-2"), asks_operator())


def test_an_operator_records_that_it_was_paid() -> None:
    given(*STUCK_PAYOUT).when(recorded(OperationResult.SUCCEEDED)).then(
        State.RELEASED, publishes(LinesRested), moves(Kind.PAYOUT_TRANSIT, Kind.CLEARING, 9_500), asks_operator()
    )


def test_an_operator_records_that_it_failed_and_sends_it_again() -> None:
    story = given(*STUCK_PAYOUT).when(recorded(OperationResult.FAILED)).then(State.WITH_OPERATOR)
    story.when(recorded(OperationResult.FAILED)).then(refuses("already_answered"), nothing)
    story.when(retried()).then(State.RELEASING, sends(PayOut))
    story.when(payout_succeeds).then(State.RELEASED)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_only_an_operator_decides_about_an_operation(role: Role) -> None:
    actor = Actor(id="x-1", role=role)
    given(*STUCK_PAYOUT).when(retried(actor=actor)).then(refuses("forbidden"), nothing)
    given(*STUCK_PAYOUT).when(recorded(OperationResult.FAILED, actor=actor)).then(refuses("forbidden"), nothing)
    given().when(retried("payout-o-1-1", actor=actor))
    assert given().when(retried("payout-o-1-1")).refused == "not_found"


def test_an_operation_that_is_not_in_an_operators_hands_is_left_alone() -> None:
    for state in (State.RELEASING, State.REFUNDING, State.SETTLING, State.RECOVERING):
        given(*PAST[state]).when(retried()).then(state, refuses("not_with_operator"), nothing)
    given(*PAST[State.RELEASING]).when(recorded(OperationResult.FAILED)).then(refuses("not_with_operator"), nothing)
    given(*PAST[State.RECOVERING]).when(recorded(OperationResult.FAILED)).then(refuses("claim_needs_answer"), nothing)
    given(*PAST[State.RELEASED]).when(retried()).then(refuses("already_answered"), nothing)
    given(*PAST[State.RELEASED]).when(recorded(OperationResult.FAILED)).then(refuses("unknown_operation"), nothing)
    given(*PAST[State.FUNDED]).when(retried("payout-o-1-1")).then(refuses("unknown_operation"), nothing)


def test_results_of_operations_nobody_asked_for_are_passed_over() -> None:
    for state in (State.FUNDED, State.REFUNDING, State.RELEASED):
        stranger = PayoutSucceeded(operation_id="payout-o-1-9", reference=ID, amount=FIRST)
        given(*PAST[state]).when(stranger).then(state, nothing)


def test_an_old_failure_does_not_touch_the_new_attempt() -> None:
    story = given(*RELEASING, payout_fails, hours(1))
    story.when(PayoutFailed(operation_id="payout-o-1-1", reference=ID, reason="again")).then(State.RELEASING, nothing)


def test_a_success_after_a_failure_is_believed_while_nothing_was_sent_in_its_place() -> None:
    story = (
        given(*RELEASING, payout_fails)
        .when(payout_succeeds)
        .then(State.RELEASED, moves(Kind.PAYABLE, Kind.CLEARING, 9_500))
    )
    assert story.balance(Kind.PAYABLE, "s-1") == 0


def test_a_success_after_a_failure_and_a_new_attempt_is_an_operators_question() -> None:
    story = given(*RELEASING, payout_fails, hours(1))
    story.when(PayoutSucceeded(operation_id="payout-o-1-1", reference=ID, amount=FIRST)).then(
        State.RELEASING, asks_operator("result_contradicts"), moves_nothing
    )
    story.when(payout_succeeds).then(State.RELEASED, asks_operator("result_contradicts"))
    story.when(recorded(OperationResult.SUCCEEDED, "payout-o-1-1")).then(State.RELEASED, asks_operator())


def test_a_failure_after_a_success_is_an_operators_question() -> None:
    story = given(*PAST[State.RELEASED]).when(payout_fails).then(State.RELEASED, asks_operator("result_contradicts"))
    story.when(payout_fails).then(nothing)


def test_a_result_of_another_amount_is_an_operators_question() -> None:
    cents = Money(amount=9_400, currency="EUR")
    given(*RELEASING).when(PayoutSucceeded(operation_id="payout-o-1-1", reference=ID, amount=cents)).then(
        State.RELEASED, asks_operator("result_amount_differs")
    )


def test_a_settlement_waits_for_both_legs_whichever_fails() -> None:
    story = given(*DELIVERED, disputed(), ruled({1: 3_000}))
    story.when(payout_fails).then(State.SETTLING, waits(hours(1)))
    story.when(refund_succeeds).then(State.SETTLING)
    story.when(hours(1)).then(publishes(PayOut), says(PayOut, operation_id="payout-o-1-3"))
    story.when(payout_succeeds).then(State.SETTLED)


def test_a_settlement_of_which_an_operator_finds_out_one_leg_goes_on_with_the_other() -> None:
    story = given(*DELIVERED, disputed(), ruled({1: 3_000}), days(6)).then(
        State.WITH_OPERATOR, asks_operator("operation_unanswered", "operation_unanswered")
    )
    story.when(recorded(OperationResult.SUCCEEDED, "payout-o-1-1")).then(State.SETTLING, asks_operator())
    story.when(days(6)).then(State.WITH_OPERATOR, asks_operator("operation_unanswered"))
    story.when(recorded(OperationResult.FAILED, "refund-o-1-2")).then(State.WITH_OPERATOR)
    story.when(retried("refund-o-1-2")).then(State.SETTLING, says(RefundPayment, operation_id="refund-o-1-3"))
    story.when(refund_succeeds).then(State.SETTLED)


def test_ids_of_operations_fit_whatever_the_order_is_called() -> None:
    long = "o" * 64
    names = {operation_id(kind, long, number) for kind in OperationKind for number in (1, 2, 12)}
    assert len(names) == 9
    assert max(map(len, names)) <= 64
    assert operation_id(OperationKind.PAYOUT, "o-1", 1) == "payout-o-1-1"


def test_waits_before_another_try_grow_in_every_version_of_the_policy() -> None:
    for version in POLICIES:
        assert list(version.back_off) == sorted(set(version.back_off))
        assert version.back_off[0] > hours(0)
