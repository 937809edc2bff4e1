"""Reviews, parcels and escrow's events: in order, twice, late and crossing each other."""

from typing import Any

import pytest

from contracts.escrow import Outcome as LineOutcome
from contracts.escrow import Why
from contracts.message import Message
from contracts.orders import Fault
from contracts.payments import OperationNotFound
from orders.order import FINAL, UNPAID, Status
from runtime.fold import Done, Refusal
from tests.unit.orders.given import (
    PAID,
    SHIPPED,
    START,
    TO_STATE,
    cancel,
    confirm,
    days,
    declined,
    given,
    in_state,
    nothing_happens,
    parcel,
    pay,
    place,
    refund,
    rested,
    review,
    secured,
    ship,
    succeeded,
)


def test_an_order_lives_its_whole_life() -> None:
    world = given()
    path: list[tuple[Message, Status, list[str]]] = [
        (place(), Status.AWAITING_PAYMENT, ["OrderPlaced"]),
        (pay(), Status.PAYMENT_PENDING, ["CollectPayment"]),
        (succeeded(), Status.PAID, ["OrderPaid"]),
        (secured(), Status.FUNDED, []),
        (ship(), Status.SHIPPED, ["OrderShipped", "TrackParcel"]),
        (parcel(), Status.DELIVERED, ["OrderDelivered"]),
        (confirm(), Status.DELIVERED, ["ReceiptConfirmed"]),
        (rested(), Status.RELEASED, []),
    ]
    for message, status, kinds in path:
        then = world.when(message)
        assert (world.order.status, then.kinds) == (status, kinds)
    assert [entry.what for entry in world.order.history] == [
        "placed",
        "payment_started",
        "paid",
        "funds_secured",
        "shipped",
        "delivered",
        "receipt_confirmed",
        "lines_released",
    ]


EVENTS: dict[str, Message] = {
    "succeeded": succeeded(),
    "declined": declined(),
    "not_found": OperationNotFound(operation_id="pay-order-1-1", reference="order-1"),
    "review": review(),
    "secured": secured(),
    "parcel": parcel(),
    "refund": refund(),
    "rested": rested(),
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("event", list(EVENTS))
def test_every_event_taken_twice_has_one_effect_in_every_state(status: Status, event: str) -> None:
    world = in_state(status)
    world.when(EVENTS[event])
    nothing_happens(world, EVENTS[event])


@pytest.mark.parametrize("status", list(Status))
def test_every_message_an_order_was_made_of_may_come_again(status: Status) -> None:
    world = in_state(status)
    for message in TO_STATE[status]:
        if "actor" not in type(message).model_fields:
            nothing_happens(world, message)


@pytest.mark.parametrize("event", list(EVENTS))
def test_events_of_an_unknown_order_are_refused(event: str) -> None:
    assert nothing_happens(given(), EVENTS[event]) == "not_found"


@pytest.mark.parametrize("status", sorted(UNPAID | {Status.CANCELLED}))
@pytest.mark.parametrize("event", [review(), secured(), refund(), rested()], ids=lambda event: type(event).__name__)
def test_escrow_cannot_speak_of_an_order_that_was_never_paid(status: Status, event: Message) -> None:
    assert nothing_happens(in_state(status), event) == "not_paid"


# Review, parcel, refund, rest


def test_a_review_is_shown_and_ends_with_the_funds_secured() -> None:
    world = given(*PAID)
    assert world.when(review()).messages == []
    assert (world.order.status, world.order.review_until) == (Status.PAID, START + days(5))
    world.after(secured())
    assert (world.order.status, world.order.review_until) == (Status.FUNDED, None)


def test_a_review_that_is_rejected_is_a_refund() -> None:
    world = given(*PAID, review(), refund(why=Why.REVIEW_REJECTED))
    assert world.order.status is Status.REFUNDING
    assert world.order.refund is not None
    assert (world.order.refund.why, world.order.refund.fault) == (Why.REVIEW_REJECTED, Fault.BUYER)


@pytest.mark.parametrize("status", sorted(set(Status) - UNPAID - {Status.PAID, Status.CANCELLED}))
@pytest.mark.parametrize("event", [review(), secured()], ids=["review", "secured"])
def test_screening_that_answers_late_or_twice_changes_nothing(status: Status, event: Message) -> None:
    assert nothing_happens(in_state(status), event)


def test_delivery_is_told_to_escrow_with_the_carriers_time_e9() -> None:
    world = given(*SHIPPED)
    then = world.when(parcel())
    assert (then.messages[0].tracking_number, then.messages[0].delivered_at) == ("LP0001", START + days(9))
    for status in (Status.PAID, Status.FUNDED, Status.CANCELLING):
        assert nothing_happens(in_state(status), parcel())


@pytest.mark.parametrize("status", [Status.SHIPPED, Status.DELIVERED])
def test_a_replacement_is_told_to_escrow_once_and_the_order_stays_where_it_is_d10(status: Status) -> None:
    world = in_state(status)
    own = world.order.parcel
    (arrived,) = world.when(parcel("REPLACEMENT-1")).messages
    assert (arrived.tracking_number, arrived.delivered_at) == ("REPLACEMENT-1", START + days(9))
    assert (world.order.status, world.order.parcel) == (status, own)
    assert nothing_happens(world, parcel("REPLACEMENT-1"))
    assert world.when(parcel("REPLACEMENT-2")).kinds == ["OrderDelivered"]


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.SHIPPED, Status.DELIVERED}))
def test_another_parcel_means_nothing_before_shipping_or_after_the_end(status: Status) -> None:
    assert nothing_happens(in_state(status), parcel("REPLACEMENT-1"))


@pytest.mark.parametrize(
    "end", [(refund(why=Why.NOT_DELIVERED),), (refund(), rested(outcome=LineOutcome.REFUNDED)), (rested(),)]
)
def test_a_parcel_that_arrives_after_the_money_went_elsewhere_is_noted(end: tuple[Message, ...]) -> None:
    world = given(*SHIPPED, *end)
    status = world.order.status
    then = world.when(parcel())
    assert then.note
    assert (then.messages, world.order.status) == ([], status)
    assert world.order.parcel is not None
    assert world.order.parcel.delivered_at == START + days(9)


@pytest.mark.parametrize("status", [Status.PAID, Status.FUNDED, Status.SHIPPED, Status.DELIVERED, Status.CANCELLING])
def test_a_refund_of_all_lines_shows_in_every_paid_state(status: Status) -> None:
    world = in_state(status).after(refund(why=Why.NOT_SHIPPED))
    assert world.order.status is Status.REFUNDING
    world.after(rested(outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.REFUNDED
    assert not any(line.refunding for line in world.order.lines)


def test_a_shipment_that_crosses_the_refund_for_late_shipping_ends_refunded() -> None:
    world = given(*PAID, secured(), ship(), refund(why=Why.NOT_SHIPPED))
    assert world.order.status is Status.REFUNDING
    assert nothing_happens(world, confirm()) == "order_closed"


def test_one_line_is_refunded_while_the_other_goes_on_e14() -> None:
    world = given(*SHIPPED, refund(1, why=Why.RULING))
    assert world.order.status is Status.SHIPPED
    assert nothing_happens(world, confirm(1)) == "line_closed"
    world.after(parcel(), rested(1, outcome=LineOutcome.REFUNDED, at_rest=False))
    assert world.order.status is Status.DELIVERED
    assert nothing_happens(world, confirm(1)) == "line_closed"
    assert world.when(confirm()).messages[0].lines == (2,)
    world.after(rested(2))
    assert world.order.status is Status.MIXED
    assert [line.outcome for line in world.order.lines] == [LineOutcome.REFUNDED, LineOutcome.RELEASED]


def test_the_last_open_line_decides_that_an_order_is_refunding() -> None:
    world = given(*SHIPPED, refund(1), rested(2, at_rest=False))
    assert world.order.status is Status.REFUNDING
    world.after(rested(1, outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.MIXED


def test_there_is_nothing_to_confirm_when_every_line_went_elsewhere() -> None:
    world = given(*SHIPPED, rested(1, outcome=LineOutcome.SETTLED, at_rest=False), confirm(2))
    assert nothing_happens(world, confirm()) == "already_confirmed"


@pytest.mark.parametrize("outcome", list(LineOutcome))
def test_an_order_at_rest_is_named_after_its_lines(outcome: LineOutcome) -> None:
    world = given(*SHIPPED, parcel(), rested(outcome=outcome))
    assert world.order.status == outcome.value


def test_a_released_order_may_still_be_refunded_and_comes_to_rest_again() -> None:
    world = in_state(Status.RELEASED).after(refund(1, why=Why.RULING))
    assert world.order.status is Status.REFUNDING
    world.after(rested(1, outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.MIXED
    assert nothing_happens(world, refund(1, why=Why.RULING))


def test_a_chargeback_after_release_is_shown() -> None:
    world = in_state(Status.RELEASED).after(rested(outcome=LineOutcome.CHARGED_BACK))
    assert world.order.status is Status.CHARGED_BACK


@pytest.mark.parametrize("status", sorted(FINAL - {Status.RELEASED, Status.MIXED}))
def test_what_is_not_released_is_never_refunded_again(status: Status) -> None:
    nothing_happens(in_state(status), refund())


def test_a_cancelled_payment_review_and_refund_cross_without_harm() -> None:
    world = given(*PAID, review(), cancel())
    assert nothing_happens(world, secured())
    world.after(refund(why=Why.REVIEW_REJECTED), rested(outcome=LineOutcome.REFUNDED))
    assert world.order.status is Status.REFUNDED
    assert world.order.review_until is None


def test_history_grows_only_when_the_order_changes() -> None:
    for status in Status:
        world = in_state(status)
        before = len(world.order.history)
        for event in EVENTS.values():
            version, length = world.order, len(world.order.history)
            result: Any = world.when(event).result
            changed = world.order != version
            assert isinstance(result, Done | Refusal)
            assert len(world.order.history) == length + changed
        assert len(world.order.history) <= before + len(EVENTS)
