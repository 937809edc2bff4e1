"""The usual way: paid, screened, shipped, delivered, confirmed or not (E1, E4–E8, E11, E12)."""

import pytest

from contracts.escrow import (
    FundsHeld,
    FundsReleased,
    FundsSecured,
    LinesRested,
    OrderUnderReview,
    Outcome,
    ReceiptReminderDue,
    RefundedLine,
    RefundStarted,
    ReleasedLine,
    ShipmentReminderDue,
    Why,
)
from contracts.identity import ScreenOrder
from contracts.money import Money
from contracts.orders import Fault, OrderUndelivered
from contracts.payments import PayOut, RefundPayment
from escrow.state import State
from ledger.postings import Kind
from tests.unit.escrow.language import (
    DELIVERED,
    ID,
    ONE,
    SHIPPED_ORDER,
    T0,
    TWO,
    asks_operator,
    brought_back,
    cancelled,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    given,
    hours,
    line,
    lost,
    moves,
    nothing,
    order,
    paid,
    paid_late,
    payout_succeeds,
    publishes,
    refund_succeeds,
    refuses,
    rejected,
    reserves,
    says,
    sends,
    shipped,
    stopped,
    verified,
    waits,
    withdrawn,
)


def test_the_happy_path_publishes_seven_messages_and_no_more() -> None:
    story = given().when(paid()).then(State.SCREENING, publishes(FundsHeld, ScreenOrder))
    story.when(cleared()).then(State.FUNDED, publishes(FundsSecured))
    story.when(shipped()).then(State.SHIPPED, publishes())
    story.when(delivered()).then(State.INSPECTION, publishes())
    story.when(confirmed()).then(State.RELEASING, publishes(FundsReleased, PayOut))
    story.when(payout_succeeds).then(State.RELEASED, publishes(LinesRested))


def test_e1_the_payment_stands_in_a_hold() -> None:
    given().when(paid()).then(
        moves(Kind.CLEARING, Kind.HOLD, 10_000),
        says(ScreenOrder, person_id="b-1", order_id=ID, total=ONE.presented),
        says(FundsHeld, lines=ONE.lines),
    )


def test_e4_the_seller_hears_when_to_ship() -> None:
    given(paid()).when(hours(1), cleared()).then(
        State.FUNDED, says(FundsSecured, ship_by=T0 + hours(1) + days(10)), waits(days(10))
    )


def test_e4_nothing_is_shipped_before_the_funds_are_secured() -> None:
    for unsecured in [(paid(),), (paid(), stopped())]:
        for early in (shipped(), delivered(), confirmed()):
            given(*unsecured).when(early).then(refuses("funds_not_secured"), nothing)


def test_e5_a_late_seller_is_reminded_and_then_the_buyer_is_refunded() -> None:
    story = given(paid(), cleared()).when(days(8)).then(State.FUNDED, publishes(ShipmentReminderDue))
    story.when(days(2.5)).then(
        State.REFUNDING,
        publishes(RefundStarted, RefundPayment),
        says(RefundStarted, why=Why.NOT_SHIPPED, fault=Fault.SELLER),
        moves(Kind.HOLD, Kind.REFUND_TRANSIT, 10_000),
    )
    story.when(refund_succeeds).then(
        State.REFUNDED,
        says(LinesRested, outcome=Outcome.REFUNDED, order_at_rest=True),
        moves(Kind.REFUND_TRANSIT, Kind.CLEARING, 10_000),
    )
    assert story.balance(Kind.CLEARING, "provider") == 0


@pytest.mark.parametrize(
    ("seller", "buyer", "to_ship", "to_deliver"),
    [("CN", "FR", 10, 40), ("FR", "FR", 7, 20), ("CN", "BR", 10, 60), ("CN", "ES", 7, 30)],
)
def test_e5_how_long_shipping_and_delivery_may_take_depends_on_the_countries(
    seller: str, buyer: str, to_ship: int, to_deliver: int
) -> None:
    bought = order(seller_country=seller, buyer_country=buyer)
    story = given(paid(bought), cleared()).then(waits(days(to_ship)))
    story.when(shipped()).then(waits(days(to_deliver)))


def test_e6_the_seller_is_unpaid_while_the_goods_travel() -> None:
    story = given(*DELIVERED)
    assert story.balance(Kind.PAYABLE, "s-1") == 0
    assert story.balance(Kind.HOLD, f"{ID}/1") == 10_000


@pytest.mark.parametrize("past", [SHIPPED_ORDER, DELIVERED])
def test_e7_a_confirmed_line_is_the_sellers_at_once(past: tuple[object, ...]) -> None:
    euros = {name: Money(amount=amount, currency="EUR") for name, amount in (("net", 9_500), ("fee", 500))}
    story = given(*past).when(confirmed())  # type: ignore[arg-type]
    story.then(
        State.RELEASING,
        says(FundsReleased, seller_id="s-1", why=Why.CONFIRMED, lines=(ReleasedLine(line_no=1, **euros),)),
        says(PayOut, operation_id="payout-o-1-1", seller_id="s-1", amount=euros["net"]),
        moves(Kind.HOLD, Kind.PAYABLE, 9_500),
        moves(Kind.HOLD, Kind.FEES, 500),
        reserves(9_500),
    )
    story.when(payout_succeeds).then(
        State.RELEASED,
        moves(Kind.PAYOUT_TRANSIT, Kind.CLEARING, 9_500),
        says(LinesRested, lines=(1,), outcome=Outcome.RELEASED, order_at_rest=True),
    )
    assert story.balance(Kind.PAYABLE, "s-1") == 0
    assert story.balance(Kind.CLEARING, "provider") == -500


def test_e8_a_silent_buyer_is_reminded_and_then_the_seller_is_paid() -> None:
    story = (
        given(*DELIVERED)
        .when(days(7))
        .then(State.INSPECTION, publishes(ReceiptReminderDue), says(ReceiptReminderDue, confirm_by=T0 + days(10)))
    )
    story.when(days(3)).then(State.RELEASING, says(FundsReleased, why=Why.BUYER_SILENT), sends(PayOut))


def test_e9_a_tracked_parcel_that_never_arrives_is_refunded() -> None:
    given(*SHIPPED_ORDER).when(days(40)).then(
        State.REFUNDING, says(RefundStarted, why=Why.NOT_DELIVERED, fault=Fault.NOBODY)
    )


def test_e9_the_silence_of_a_carrier_without_tracking_says_nothing_against_the_seller() -> None:
    story = given(paid(), cleared(), shipped("letter_post")).when(days(40)).then(State.INSPECTION, nothing)
    story.when(days(10)).then(State.RELEASING, says(FundsReleased, why=Why.BUYER_SILENT))


def test_e9_a_parcel_that_went_back_to_the_seller_is_refunded_at_once_and_nobody_is_at_fault() -> None:
    story = given(*SHIPPED_ORDER).when(days(12), brought_back())
    story.then(
        State.REFUNDING,
        sends(RefundPayment),
        says(RefundStarted, why=Why.NOT_DELIVERED, fault=Fault.NOBODY),
    )
    story.when(brought_back(), delivered(), lost()).then(State.REFUNDING, nothing)
    story.when(refund_succeeds).then(State.REFUNDED)
    assert story.balance(Kind.HOLD, ID) == 0


def test_e9_a_lost_parcel_may_turn_up_until_the_delivery_deadline() -> None:
    given(*SHIPPED_ORDER, lost()).when(delivered()).then(State.INSPECTION, nothing)
    given(*SHIPPED_ORDER, lost()).when(days(40)).then(
        State.REFUNDING, says(RefundStarted, why=Why.NOT_DELIVERED, fault=Fault.NOBODY)
    )


@pytest.mark.parametrize("tidings", [brought_back(), lost()], ids=["back", "lost"])
def test_e9_what_an_untracked_carrier_says_after_all_goes_before_its_silence(tidings: OrderUndelivered) -> None:
    story = given(paid(), cleared(), shipped("letter_post")).when(days(40)).then(State.INSPECTION)
    story.when(tidings).then(State.REFUNDING, says(RefundStarted, why=Why.NOT_DELIVERED))


def test_d7_a_parcel_that_went_back_during_a_case_is_refunded_when_the_case_is_withdrawn() -> None:
    story = given(*SHIPPED_ORDER, disputed()).when(brought_back()).then(State.DISPUTED, nothing)
    story.when(withdrawn()).then(State.REFUNDING, says(RefundStarted, why=Why.NOT_DELIVERED))


def test_e14_of_two_lines_only_the_one_still_held_is_refunded_when_the_parcel_went_back() -> None:
    story = given(paid(TWO), cleared(), shipped(), confirmed(1)).when(brought_back())
    second = RefundedLine(line_no=2, amount=Money(amount=3_000, currency="EUR"))
    story.then({1: State.RELEASING, 2: State.REFUNDING}, says(RefundStarted, lines=(second,)))


def test_a_parcel_that_another_replaced_may_go_back_unnoticed() -> None:
    given(*SHIPPED_ORDER).when(brought_back("TRACK-9"), lost("TRACK-9")).then(State.SHIPPED, nothing)


def test_a_delivery_proves_that_it_was_shipped() -> None:
    story = given(paid(), cleared()).when(delivered()).then(State.INSPECTION, nothing)
    story.when(shipped()).then(State.INSPECTION, nothing)


def test_another_parcel_is_not_this_one() -> None:
    given(*SHIPPED_ORDER).when(delivered("TRACK-9")).then(State.SHIPPED, nothing)


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("past", [(paid(),), (paid(), stopped()), (paid(), cleared())])
def test_e11_e12_a_cancelled_order_is_refunded_and_keeps_whose_fault_it_was(
    past: tuple[object, ...], fault: Fault
) -> None:
    given(*past).when(cancelled(fault)).then(  # type: ignore[arg-type]
        State.REFUNDING,
        publishes(RefundStarted, RefundPayment),
        says(RefundStarted, why=Why.CANCELLED, fault=fault),
        says(RefundPayment, operation_id="refund-o-1-1", amount=ONE.presented),
    )


def test_e11_what_was_shipped_cannot_be_cancelled() -> None:
    given(*SHIPPED_ORDER).when(cancelled()).then(State.SHIPPED, refuses("already_shipped"), nothing)


def test_a_cancellation_before_the_payment_is_nothing_to_escrow() -> None:
    story = given().when(cancelled(was_paid=False))
    assert story.folding.state("escrow", ID) is None
    given(paid()).when(cancelled(was_paid=False)).then(State.SCREENING, nothing)


def test_a_late_payment_is_held_and_given_back() -> None:
    story = (
        given()
        .when(paid_late())
        .then(
            State.REFUNDING,
            publishes(RefundStarted, RefundPayment),
            says(RefundStarted, why=Why.LATE_PAYMENT),
            moves(Kind.CLEARING, Kind.HOLD, 10_000),
            moves(Kind.HOLD, Kind.REFUND_TRANSIT, 10_000),
        )
    )
    story.when(refund_succeeds).then(State.REFUNDED)


def test_a_second_payment_is_an_operators_question_until_answered() -> None:
    story = given(paid()).when(paid(at=T0 + hours(1))).then(State.SCREENING, asks_operator("second_payment"))
    story.when(paid(at=T0 + hours(1))).then(nothing)


def test_i2_a_stopped_order_waits_for_proof_and_goes_on_where_it_stood() -> None:
    story = (
        given(paid())
        .when(stopped())
        .then(State.UNDER_REVIEW, publishes(OrderUnderReview), says(OrderUnderReview, until=T0 + days(10)))
    )
    story.when(cleared()).then(State.UNDER_REVIEW, nothing)
    story.when(days(9), verified()).then(State.FUNDED, publishes(FundsSecured))


def test_i2_a_stopped_order_whose_appeal_is_rejected_is_refunded() -> None:
    given(paid(), stopped()).when(rejected()).then(
        State.REFUNDING, says(RefundStarted, why=Why.REVIEW_REJECTED, fault=Fault.BUYER)
    )


def test_i2_nobody_proves_anything_in_time() -> None:
    given(paid(), stopped()).when(days(10)).then(State.REFUNDING, says(RefundStarted, why=Why.REVIEW_EXPIRED))


def test_identity_is_silent_and_speaks_later() -> None:
    story = given(paid()).when(hours(12)).then(State.UNDER_REVIEW, publishes(OrderUnderReview))
    story.when(cleared()).then(State.FUNDED, publishes(FundsSecured))


def test_identity_is_silent_and_stops_later_with_a_review_of_full_length() -> None:
    story = given(paid()).when(hours(12), days(2), stopped()).then(State.UNDER_REVIEW, waits(days(10)))
    story.when(stopped()).then(nothing)
    story.when(cleared()).then(State.UNDER_REVIEW, nothing)


def test_an_appeal_may_be_heard_of_before_the_stop_it_is_about() -> None:
    story = given(paid()).when(verified()).then(State.FUNDED)
    story.when(stopped()).then(State.FUNDED, nothing)
    given(paid()).when(rejected()).then(State.REFUNDING)


def test_a_shipment_that_crossed_the_refund_is_an_operators_question() -> None:
    story = (
        given(paid(), cleared(), days(10)).when(shipped()).then(State.REFUNDING, asks_operator("shipped_after_refund"))
    )
    story.when(shipped()).then(nothing)
    given(paid(), cancelled()).when(shipped()).then(State.REFUNDING, nothing)


def test_fees_are_those_of_the_policy_the_order_was_paid_under() -> None:
    electronics = order(line(1, 9_999, category="electronics"))
    at_2024 = T0.replace(year=2024)
    given(paid(electronics), cleared(), shipped(), confirmed()).then(moves(Kind.HOLD, Kind.FEES, 599))
    given(paid(electronics, at_2024), cleared(), shipped(), confirmed()).then(moves(Kind.HOLD, Kind.FEES, 499))


def test_a_fee_that_rounds_to_nothing_is_no_transfer() -> None:
    given(paid(order(line(1, 1))), cleared(), shipped()).when(confirmed()).then(
        State.RELEASING, moves(Kind.HOLD, Kind.PAYABLE, 1), moves(Kind.HOLD, Kind.FEES, 0)
    )


def test_a_payment_in_two_currencies_cannot_be_held() -> None:
    with pytest.raises(ValueError, match="several currencies"):
        given(paid(order(line(1), line(2, of="USD"))))
    with pytest.raises(ValueError, match="comes twice"):
        given(paid(order(line(1), line(1))))
