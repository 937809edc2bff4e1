"""Where the parcel goes: seen by who ships, while they ship, and then forgotten (E10)."""

import pytest
from msgspec import json
from pydantic import ValidationError

from contracts.envelope import encode
from contracts.message import Role
from contracts.registry import REGISTRY
from orders.address import EraseAddress, KeepAddress, SetShippingAddress
from orders.addresses import may_read
from orders.order import FINAL, Status
from orders.service import SERVICE
from orders.views import order_view
from runtime.decision import TimeUp
from runtime.delivery import RawRecord, Reader
from tests.unit.orders.given import (
    BUYER,
    HOME,
    PAID,
    SHIPPED,
    START,
    cancel,
    confirm,
    days,
    given,
    in_state,
    parcel,
    place,
    refund,
    rested,
    secured,
    send_home,
)


def erase(day: float) -> TimeUp:
    return TimeUp("erase_address", START + days(day))


def test_an_address_is_kept_beside_the_order_and_never_in_it() -> None:
    world = given(place())
    then = world.when(send_home())
    assert then.postings == [KeepAddress("order-1", HOME, START)]
    assert then.messages == []
    state = json.encode(world.order).decode()
    views = str([order_view(world.order, 1, role) for role in Role])
    for secret in (HOME.name, HOME.line_1, HOME.city, HOME.postcode, HOME.phone):
        assert secret not in state + views


def test_nobody_reads_an_address_in_a_log() -> None:
    text = repr(send_home()) + str(HOME)
    for secret in (HOME.name, HOME.line_1, HOME.city, HOME.postcode, HOME.phone):
        assert secret not in text


def test_an_address_that_comes_by_kafka_is_refused_and_not_repeated() -> None:
    topic, key, headers, value = encode(
        send_home(), id="a1", source="shop", time=START, correlation_id="order-1", causation_id="", sequence=0
    )
    read = Reader(SERVICE).record(RawRecord(topic, 0, 0, key, headers, value))
    assert read.item is None and read.fault is None
    assert read.refusal is not None
    assert read.refusal.code == "invalid_data"
    assert HOME.line_1 not in read.refusal.reason
    with pytest.raises(ValidationError):
        SetShippingAddress.model_validate_json(value)


def test_a_corrected_address_takes_the_place_of_the_first_and_is_no_news() -> None:
    world = given(place(), send_home())
    before = world.order
    other = HOME.model_copy(update={"line_1": "Rue du Canal 9"})
    assert world.when(send_home(address=other)).postings == [KeepAddress("order-1", other, START)]
    assert world.order == before


def test_an_address_in_another_country_than_the_order_was_placed_for_is_refused() -> None:
    then = given(place()).when(send_home(address=HOME.model_copy(update={"country": "DE"})))
    assert then.code == "invalid_address"


@pytest.mark.parametrize("status", list(Status))
def test_the_seller_reads_it_from_secured_funds_to_delivery_and_the_buyer_always(status: Status) -> None:
    order = in_state(status).order
    assert may_read(order, Role.SELLER) is (status in (Status.FUNDED, Status.SHIPPED))
    assert may_read(order, Role.BUYER) and may_read(order, Role.SUPPORT)
    assert not any(may_read(order, role) for role in (Role.MEDIATOR, Role.REVIEWER, Role.OPERATOR))


ENDS = {
    Status.CANCELLED: (place(), send_home(), cancel()),
    Status.RELEASED: (*PAID, send_home(), secured(), *SHIPPED[-1:], parcel(), confirm(), rested()),
    Status.REFUNDED: (*PAID, send_home(), cancel(), refund(), rested()),
}


@pytest.mark.parametrize("end", list(ENDS))
def test_thirty_days_after_the_order_rests_it_is_erased(end: Status) -> None:
    *before, last = ENDS[end]
    world = given(*before)
    assert world.when(last).timers["erase_address"] == START + days(30)
    assert world.order.status in FINAL
    then = world.later(days(30)).when(erase(30))
    assert then.postings == [EraseAddress("order-1")]
    assert (world.order.has_address, world.order.history[-1].what) == (False, "address_erased")
    assert world.when(erase(30)).postings == []


def test_an_order_without_an_address_costs_no_timer() -> None:
    for messages in ((place(), cancel()), (*SHIPPED, parcel(), confirm(), rested())):
        *before, last = messages
        assert "erase_address" not in given(*before).when(last).timers


def test_an_order_whose_money_moves_again_keeps_it_until_it_rests_again() -> None:
    world = given(*ENDS[Status.RELEASED], refund(1))
    assert world.when(erase(30)).postings == []
    assert world.later(days(40)).when(rested(1)).timers["erase_address"] == START + days(70)


def test_the_seller_does_not_read_when_the_buyer_wrote() -> None:
    world = given(*PAID, send_home())
    assert "address_given" in str(order_view(world.order, 1, Role.BUYER)["history"])
    assert "address" not in str(order_view(world.order, 1, Role.SELLER)["history"])


@pytest.mark.parametrize("bad", [{"name": ""}, {"city": "x" * 121}, {"line_1": "a\nb"}, {"country": "Fr"}, {"x": "y"}])
def test_what_is_no_address_is_refused_without_being_repeated(bad: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SetShippingAddress.model_validate({"actor": BUYER, "order_id": "order-1", "address": HOME.model_dump() | bad})


def test_no_contract_has_an_address() -> None:
    assert SetShippingAddress.CE_TYPE not in REGISTRY
