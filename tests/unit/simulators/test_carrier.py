"""The carrier: follows parcels, delivers when told or by itself, and takes replacements (E5, E9, D10)."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.carrier import ParcelDelivered, TrackParcel
from contracts.message import Actor, Message, Role
from simulators.carrier.control import DeliverParcel
from simulators.carrier.parcels import Parcel
from simulators.carrier.service import SERVICE, service
from tests.folding import Folding

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
WEEK = timedelta(days=7)


def track(number: str = "TRACK-1", role: Role = Role.SERVICE) -> TrackParcel:
    return TrackParcel(actor=Actor(id="orders", role=role), reference="o1", carrier="dhl", tracking_number=number)


def deliver(number: str | None = None) -> DeliverParcel:
    return DeliverParcel(actor=Actor(id="demo", role=Role.OPERATOR), reference="o1", tracking_number=number)


def delivered(at: datetime = NOW, number: str = "TRACK-1") -> ParcelDelivered:
    return ParcelDelivered(reference="o1", tracking_number=number, delivered_at=at)


def given(*messages: Message, delivery_time: timedelta | None = None) -> Folding:
    folding = Folding(service(delivery_time), NOW)
    folding.tell(*messages)
    assert folding.refused is None
    return folding


def test_a_parcel_is_delivered_when_told() -> None:
    folding = given(track())
    assert folding.wait(WEEK * 10) == []
    assert folding.tell(deliver()) == [delivered(NOW + WEEK * 10)]
    assert folding.refuses(deliver()) == "already_delivered"


def test_a_parcel_is_delivered_by_itself_where_that_is_set() -> None:
    folding = given(track(), delivery_time=WEEK)
    assert folding.wait(WEEK - timedelta(seconds=1)) == []
    assert folding.wait(timedelta(seconds=1)) == [delivered(NOW + WEEK)]
    assert folding.wait(WEEK) == []


def test_a_parcel_told_to_be_delivered_is_not_delivered_by_itself_again() -> None:
    folding = given(track(), deliver(), delivery_time=WEEK)
    assert not folding.timers
    assert folding.wait(WEEK) == []


def test_a_parcel_nobody_follows_cannot_be_delivered() -> None:
    assert given().refuses(deliver()) == "not_found"


def test_the_same_parcel_again_changes_nothing_and_is_answered_once_delivered() -> None:
    folding = given(track(), delivery_time=WEEK)
    folding.wait(timedelta(days=3))
    assert folding.tell(track()) == []
    assert folding.note == "followed_before"
    assert folding.wait(timedelta(days=4)) == [delivered(NOW + WEEK)]
    assert folding.tell(track()) == [delivered(NOW + WEEK)]


@pytest.mark.parametrize("before", [[], [deliver()]], ids=["under way", "delivered"])
def test_d10_a_replacement_takes_the_place_of_the_first_parcel(before: list[Message]) -> None:
    folding = given(track(), *before, delivery_time=WEEK)
    folding.wait(timedelta(days=2))
    assert folding.tell(track("TRACK-2")) == []
    assert folding.refuses(deliver("TRACK-1")) == "other_parcel"
    assert folding.wait(timedelta(days=6)) == []
    assert folding.wait(timedelta(days=1)) == [delivered(NOW + timedelta(days=9), "TRACK-2")]
    parcel = folding.state("parcels", "o1")
    assert isinstance(parcel, Parcel)
    assert parcel.earlier == ("TRACK-1",)


def test_a_late_duplicate_of_the_first_request_does_not_undo_the_replacement() -> None:
    folding = given(track(), track("TRACK-2"))
    assert folding.tell(track()) == []
    assert folding.note == "replaced_before"
    assert folding.tell(deliver("TRACK-2")) == [delivered(number="TRACK-2")]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_only_services_have_parcels_followed(role: Role) -> None:
    assert given().refuses(track(role=role)) == "forbidden"


def test_control_commands_belong_to_the_carrier() -> None:
    assert (DeliverParcel.CE_TYPE, DeliverParcel.TOPIC) == ("carrier.deliver_parcel.v1", "carrier.commands.v1")
    assert SERVICE.topics == ("carrier.commands.v1",)
