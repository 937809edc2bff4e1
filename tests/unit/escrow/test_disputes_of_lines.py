"""Cases before the release: the clock pauses, the ruling moves the money, silence has a consequence (D4–D10)."""

import pytest

from contracts.disputes import Verdict
from contracts.escrow import DisputeLapsed, DisputeNotAdmitted, FundsReleased, RefundStarted, Why
from contracts.orders import Fault
from contracts.payments import PayOut, RefundPayment
from escrow.state import State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    DELIVERED,
    PAST,
    SHIPPED_ORDER,
    T0,
    TRACKING,
    TWO,
    Step,
    cancelled,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    given,
    hours,
    moves,
    nothing,
    paid,
    payout_succeeds,
    publishes,
    refund_succeeds,
    refuses,
    replacement_shipped,
    return_received,
    return_shipped,
    ruled,
    says,
    sends,
    shipped,
    stopped,
    waits,
    withdrawn,
)


@pytest.mark.parametrize("state", [State.FUNDED, State.SHIPPED, State.INSPECTION])
def test_d1_a_case_pauses_the_clock_of_its_line(state: State) -> None:
    given(*PAST[state]).when(disputed()).then(State.DISPUTED, nothing, waits(days(30)))


def test_d7_a_withdrawn_case_goes_on_with_what_was_left_of_the_clock() -> None:
    given(*DELIVERED, days(2), disputed(), days(20)).when(withdrawn()).then(State.INSPECTION, nothing, waits(days(8)))


def test_d7_a_withdrawn_case_leaves_at_least_the_minimum() -> None:
    story = given(*DELIVERED, days(9), disputed(), days(20)).when(withdrawn()).then(State.INSPECTION, waits(days(3)))
    story.when(days(3)).then(State.RELEASING, says(FundsReleased, why=Why.BUYER_SILENT))


def test_d7_a_case_can_be_opened_again() -> None:
    story = given(*DELIVERED, disputed(), withdrawn()).when(disputed(case="d-2")).then(State.DISPUTED)
    story.when(withdrawn()).then(State.DISPUTED, nothing)
    story.when(withdrawn(case="d-2")).then(State.INSPECTION)


def test_a_closed_case_is_not_opened_by_hearing_of_it_again() -> None:
    given(*DELIVERED, disputed(), withdrawn()).when(disputed()).then(State.INSPECTION, nothing)


@pytest.mark.parametrize(
    ("during", "after", "left"),
    [
        ((shipped(),), State.SHIPPED, days(40)),
        ((shipped(), delivered()), State.INSPECTION, days(10)),
        ((shipped(), shipped(), delivered(), delivered()), State.INSPECTION, days(10)),
    ],
)
def test_what_happens_to_the_parcel_during_a_case_counts_afterwards(
    during: tuple[Step, ...], after: State, left: object
) -> None:
    story = given(paid(), cleared(), disputed(), *during).then(State.DISPUTED)
    story.when(withdrawn()).then(after, waits(left))  # type: ignore[arg-type]
    assert story.state.kept == ()


def test_d4_ruled_for_the_buyer() -> None:
    story = (
        given(*DELIVERED, disputed())
        .when(ruled({1: Verdict.REFUND}))
        .then(
            State.REFUNDING,
            publishes(RefundStarted, RefundPayment),
            says(RefundStarted, why=Why.RULING, fault=Fault.NOBODY),
            moves(Kind.HOLD, Kind.REFUND_TRANSIT, 10_000),
        )
    )
    story.when(refund_succeeds).then(State.REFUNDED)


def test_d4_ruled_for_the_seller() -> None:
    story = (
        given(*DELIVERED, disputed())
        .when(ruled({1: Verdict.RELEASE}))
        .then(State.RELEASING, publishes(FundsReleased, PayOut), says(FundsReleased, why=Why.RULING))
    )
    story.when(payout_succeeds).then(State.RELEASED)


def test_d4_ruled_to_split() -> None:
    story = (
        given(*DELIVERED, disputed())
        .when(ruled({1: 3_333}))
        .then(
            State.SETTLING,
            publishes(FundsReleased, RefundStarted, PayOut, RefundPayment),
            moves(Kind.HOLD, Kind.REFUND_TRANSIT, 3_333),
            moves(Kind.HOLD, Kind.PAYABLE, 6_334),
            moves(Kind.HOLD, Kind.FEES, 333),
        )
    )
    story.when(refund_succeeds).then(State.SETTLING)
    story.when(payout_succeeds).then(State.SETTLED)


def test_d6_a_case_that_nobody_rules_is_decided_for_the_buyer() -> None:
    given(*DELIVERED, disputed()).when(days(30)).then(
        State.REFUNDING,
        publishes(DisputeLapsed, RefundStarted, RefundPayment),
        says(DisputeLapsed, dispute_id="d-1", lines=(1,)),
        says(RefundStarted, why=Why.DISPUTE_EXPIRED),
    )


def test_a_ruling_of_another_case_is_not_this_ones() -> None:
    given(*DELIVERED, disputed()).when(ruled({1: Verdict.REFUND}, case="d-2")).then(State.DISPUTED, nothing)


def test_a_ruling_leaves_the_lines_it_does_not_name() -> None:
    past = (paid(TWO), cleared(), shipped(), delivered(), disputed(1, 2))
    given(*past).when(ruled({2: Verdict.REFUND})).then({1: State.DISPUTED, 2: State.REFUNDING})


def test_e14_the_undisputed_line_is_released_on_its_own_clock() -> None:
    story = (
        given(paid(TWO), cleared(), shipped(), delivered(), disputed(2))
        .when(days(10))
        .then({1: State.RELEASING, 2: State.DISPUTED}, moves(Kind.HOLD, Kind.PAYABLE, 9_500))
    )
    story.when(payout_succeeds, ruled({2: Verdict.REFUND}), refund_succeeds).then(
        {1: State.RELEASED, 2: State.REFUNDED}
    )


def test_a_buyer_who_confirms_gives_the_case_up() -> None:
    given(*DELIVERED, disputed()).when(confirmed(at=T0 + hours(1))).then(
        State.RELEASING,
        publishes(DisputeNotAdmitted, FundsReleased, PayOut),
        says(DisputeNotAdmitted, dispute_id="d-1", code="receipt_confirmed"),
    )


def test_a_confirmation_from_before_the_case_counts_when_it_is_withdrawn() -> None:
    story = given(*DELIVERED, hours(1), disputed()).when(confirmed(at=T0)).then(State.DISPUTED, nothing)
    story.when(withdrawn()).then(State.RELEASING, says(FundsReleased, why=Why.CONFIRMED))


def test_a_cancellation_ends_the_case_with_a_refund() -> None:
    given(paid(), cleared(), disputed()).when(cancelled(Fault.SELLER)).then(
        State.REFUNDING,
        publishes(DisputeNotAdmitted, RefundStarted, RefundPayment),
        says(DisputeNotAdmitted, dispute_id="d-1", code="order_cancelled"),
        says(RefundStarted, fault=Fault.SELLER),
    )


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.SCREENING, "funds_not_secured"),
        (State.UNDER_REVIEW, "funds_not_secured"),
        (State.DISPUTED, "already_disputed"),
        (State.RETURNING, "already_disputed"),
        (State.REPLACING, "already_disputed"),
        (State.AFTER_RELEASE, "already_disputed"),
        (State.RECOVERING, "already_disputed"),
        (State.REFUNDING, "refunded"),
        (State.REFUNDED, "refunded"),
        (State.SETTLING, "settled"),
        (State.SETTLED, "settled"),
        (State.CHARGED_BACK, "charged_back"),
    ],
)
def test_d1_a_case_that_is_none_is_declined_once_with_the_reason(state: State, code: str) -> None:
    story = (
        given(*PAST[state])
        .when(disputed(case="d-9"))
        .then(state, says(DisputeNotAdmitted, dispute_id="d-9", lines=(1,), code=code))
    )
    story.when(disputed(case="d-9")).then(state, nothing)


def test_d1_lines_that_do_not_exist_are_declined_and_the_others_are_disputed() -> None:
    given(*DELIVERED).when(disputed(1, 7)).then(
        State.DISPUTED, publishes(DisputeNotAdmitted), says(DisputeNotAdmitted, lines=(7,), code="unknown_line")
    )
    given(*DELIVERED).when(disputed(7)).then(State.INSPECTION, says(DisputeNotAdmitted, lines=(7,)))


def test_d10_the_goods_come_back_and_the_buyer_is_refunded() -> None:
    story = (
        given(*DELIVERED, disputed()).when(ruled({1: Verdict.RETURN})).then(State.RETURNING, nothing, waits(days(10)))
    )
    story.when(days(9), return_shipped()).then(State.RETURNING, nothing, waits(days(20)))
    story.when(days(19), return_shipped()).then(State.RETURNING, nothing, waits(days(1)))
    story.when(return_received()).then(State.REFUNDING, says(RefundStarted, why=Why.RETURNED))


def test_d6_a_return_that_is_not_sent_in_time_pays_the_seller() -> None:
    given(*PAST[State.RETURNING]).when(days(10)).then(State.RELEASING, says(FundsReleased, why=Why.NOT_RETURNED))


def test_d6_a_seller_who_says_nothing_of_a_return_loses_it() -> None:
    given(*PAST[State.RETURNING], return_shipped()).when(days(20)).then(
        State.REFUNDING, says(RefundStarted, why=Why.RETURNED)
    )


def test_d10_a_replacement_travels_and_is_inspected_like_the_first_parcel() -> None:
    story = given(*DELIVERED, disputed()).when(ruled({1: Verdict.REPLACE})).then(State.REPLACING, waits(days(10)))
    story.when(delivered(TRACKING)).then(State.REPLACING, nothing)
    story.when(replacement_shipped()).then(State.SHIPPED, nothing, waits(days(40)))
    story.when(delivered(TRACKING)).then(State.SHIPPED, nothing)
    story.when(delivered("TRACK-2")).then(State.INSPECTION, waits(days(10)))
    story.when(disputed(case="d-2")).then(State.DISPUTED)


def test_a_replacement_may_arrive_before_it_is_heard_that_it_was_sent() -> None:
    story = given(*PAST[State.REPLACING]).when(delivered("TRACK-2")).then(State.REPLACING, nothing)
    story.when(replacement_shipped()).then(State.INSPECTION, waits(days(10)))


def test_a_replacement_that_nobody_tracks_is_inspected_at_its_deadline() -> None:
    given(*PAST[State.REPLACING], replacement_shipped()).when(days(40)).then(State.INSPECTION)


def test_d6_a_replacement_that_is_not_sent_refunds_the_buyer_at_the_sellers_fault() -> None:
    given(*PAST[State.REPLACING]).when(days(10)).then(
        State.REFUNDING, says(RefundStarted, why=Why.NOT_REPLACED, fault=Fault.SELLER)
    )


@pytest.mark.parametrize("state", [State.RETURNING, State.REPLACING])
def test_a_ruling_stands_whatever_is_confirmed_later(state: State) -> None:
    given(*PAST[state]).when(confirmed()).then(state, refuses("already_ruled"), nothing)


def test_a_stopped_order_has_no_case_but_may_be_cancelled() -> None:
    story = given(paid(), stopped()).when(disputed()).then(State.UNDER_REVIEW)
    story.when(cancelled()).then(State.REFUNDING, sends(RefundPayment))


def test_reminders_come_again_only_for_a_deadline_that_moved_far_enough() -> None:
    story = given(*SHIPPED_ORDER, delivered(), days(1), disputed(), withdrawn())
    assert story.tranche().remind_at == T0 + days(7)
    story = given(*DELIVERED, days(8), disputed(), withdrawn())
    assert story.tranche().remind_at is None
