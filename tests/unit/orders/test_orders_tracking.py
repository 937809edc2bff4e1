"""What carriers say of parcels: late, twice, out of order, of parcels that are lost or come back (E5, E9)."""

from itertools import permutations

import pytest

from contracts.carrier import Stage
from contracts.message import Message, Role
from contracts.orders import Undelivered
from orders.order import Status
from orders.tracking import KEPT, expected_arrival, whereabouts
from orders.views import order_view
from orders.waiting import waits
from tests.unit.orders.given import (
    SHIPPED,
    START,
    days,
    given,
    in_state,
    parcel,
    parcel_lost,
    parcel_returned,
    refund,
    tracked,
)

JOURNEY = (
    tracked(Stage.HANDED_OVER, 1),
    tracked(Stage.IN_TRANSIT, 4, expected=12),
    tracked(Stage.OUT_FOR_DELIVERY, 8.5, expected=9),
)


@pytest.mark.parametrize("order", list(permutations(JOURNEY)), ids=lambda events: "-".join(e.stage for e in events))
def test_news_in_any_order_tell_the_same_story_e5(order: tuple[Message, ...]) -> None:
    world = given(*SHIPPED, *order)
    found = world.order.parcel
    assert found is not None
    assert [entry.what for entry in found.tracking] == ["handed_over", "in_transit", "out_for_delivery"]
    assert whereabouts(found) == "out_for_delivery"


def test_the_carrier_revises_the_arrival_that_the_countries_promise_e5() -> None:
    world = given(*SHIPPED)
    assert expected_arrival(world.order) == START + days(20)
    world.after(JOURNEY[1])
    assert expected_arrival(world.order) == START + days(12)
    world.after(JOURNEY[0])
    assert expected_arrival(world.order) == START + days(12), "old news revise nothing"
    world.after(tracked(Stage.ATTEMPT_FAILED, 9, expected=11))
    assert expected_arrival(world.order) == START + days(11)


def test_the_buyer_reads_where_the_parcel_is_e5() -> None:
    world = given(*SHIPPED, *JOURNEY)
    view = order_view(world.order, 1, Role.BUYER)
    assert view["parcel"]["status"] == "out_for_delivery"
    assert view["parcel"]["tracking"][0] == {"at": "2024-03-02T12:00:00Z", "what": "handed_over"}
    assert view["expected_arrival"] == "2024-03-10T12:00:00Z"
    world.after(parcel())
    assert order_view(world.order, 2, Role.BUYER)["parcel"]["status"] == "delivered"


@pytest.mark.parametrize("event", [*JOURNEY, parcel_lost(), parcel_returned()], ids=lambda e: type(e).__name__)
def test_the_same_news_twice_change_nothing(event: Message) -> None:
    world = given(*SHIPPED, event)
    before = world.order
    assert world.when(event).messages == []
    assert world.order == before


@pytest.mark.parametrize(
    "event",
    [tracked(Stage.IN_TRANSIT, 4, number="OTHER-1"), parcel_lost("OTHER-1"), parcel_returned("OTHER-1")],
    ids=lambda event: type(event).__name__,
)
@pytest.mark.parametrize("status", list(Status))
def test_a_number_the_order_does_not_know_changes_nothing(event: Message, status: Status) -> None:
    world = in_state(status)
    before = world.order
    then = world.when(event)
    assert (then.messages, then.note, world.order) == ([], "the order has no parcel of this number", before)


def test_of_a_carrier_that_talks_too_much_the_newest_is_kept() -> None:
    world = given(*SHIPPED, *(tracked(Stage.IN_TRANSIT, hour / 24) for hour in range(KEPT + 5)))
    found = world.order.parcel
    assert found is not None
    assert len(found.tracking) == KEPT
    assert found.tracking[0].at == START + days(5 / 24)
    history = len(world.order.history)
    assert world.when(tracked(Stage.HANDED_OVER, 0)).note
    assert len(world.order.history) == history == 5


def test_a_lost_parcel_is_told_and_the_money_stays_held() -> None:
    world = given(*SHIPPED)
    (told,) = world.when(parcel_lost()).messages
    assert (told.why, told.tracking_number, told.at) == (Undelivered.LOST, "LP0001", START + days(8))
    assert world.order.status is Status.SHIPPED
    assert expected_arrival(world.order) is None
    waiting = waits(world.order)
    assert waiting is not None
    assert (waiting.for_whom, waiting.what, waiting.on_silence) == ("buyer", "open_dispute", "buyer_refunded")


def test_a_lost_parcel_that_turns_up_is_delivered_and_one_that_comes_back_is_told_too_e9() -> None:
    world = given(*SHIPPED, parcel_lost())
    assert world.when(parcel_returned()).messages[0].why is Undelivered.RETURNED
    found = given(*SHIPPED, parcel_lost())
    assert found.when(parcel()).kinds == ["OrderDelivered"]
    assert found.order.status is Status.DELIVERED
    assert order_view(found.order, 1, Role.BUYER)["parcel"]["status"] == "delivered"


@pytest.mark.parametrize("event", [parcel_lost(), parcel_returned()], ids=["lost", "returned"])
def test_what_is_delivered_is_neither_lost_nor_returned(event: Message) -> None:
    world = given(*SHIPPED, parcel())
    assert world.when(event).messages == []
    assert world.order.status is Status.DELIVERED


def test_a_loss_told_after_the_refund_is_recorded_only() -> None:
    world = given(*SHIPPED, refund())
    assert world.when(parcel_lost()).messages == []
    assert world.order.history[-1].what == "parcel_lost"
