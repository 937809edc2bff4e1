"""The carrier: follows parcels, delivers when told or by itself, and takes replacements (E5, E9, D10)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from contracts.carrier import ParcelDelivered, ParcelProgressed, Stage, TrackParcel
from contracts.message import Actor, Event, Message, Role
from simulators.carrier.control import DeliverParcel, ReportParcel
from simulators.carrier.journey import ALL, FAULTS, LONGEST_DELAY, SHORTEST_DELAY, End, fate
from simulators.carrier.parcels import Parcel
from simulators.carrier.service import SERVICE, service
from simulators.faults import NONE, WHOLE, Faults, UnknownFault, parse
from tests.folding import Folding

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
WEEK = timedelta(days=7)


def track(number: str = "TRACK-1", role: Role = Role.SERVICE) -> TrackParcel:
    return TrackParcel(actor=Actor(id="orders", role=role), reference="o1", carrier="dhl", tracking_number=number)


def deliver(number: str | None = None) -> DeliverParcel:
    return DeliverParcel(actor=Actor(id="demo", role=Role.OPERATOR), reference="o1", tracking_number=number)


def report(what: Stage | End, expected_at: datetime | None = None) -> ReportParcel:
    actor = Actor(id="demo", role=Role.OPERATOR)
    return ReportParcel(actor=actor, reference="o1", what=what, expected_at=expected_at)


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


# What becomes of parcels by themselves


def sure(word: str) -> Faults:
    """A carrier whose every parcel meets this fault."""
    return Faults("seed", {word: WHOLE})


def told_by(faults: Faults, reports: bool = True, delivery_time: timedelta | None = WEEK) -> list[Event]:
    """All that the carrier tells of one parcel until nothing is to come."""
    folding = Folding(service(delivery_time, reports, faults), NOW)
    events = list(folding.tell(track()))
    while folding.timers:
        events += folding.wait(min(folding.timers.values()) - folding.now)
    return events


def stages(events: Sequence[Event]) -> list[str]:
    return [event.stage.value if isinstance(event, ParcelProgressed) else type(event).__name__ for event in events]


def test_e5_a_carrier_that_reports_says_where_the_parcel_is() -> None:
    events = told_by(NONE)
    assert stages(events) == ["handed_over", "in_transit", "out_for_delivery", "ParcelDelivered"]
    first = events[0]
    assert isinstance(first, ParcelProgressed)
    assert (first.at, first.expected_at) == (NOW, NOW + WEEK)
    assert stages(told_by(NONE, reports=False)) == ["ParcelDelivered"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lost", ["handed_over", "in_transit", "ParcelLost"]),
        ("returned", ["handed_over", "in_transit", "attempt_failed", "ParcelReturned"]),
        ("attempt_failed", ["handed_over", "in_transit", "attempt_failed", "ParcelDelivered"]),
        ("late", ["handed_over", "in_transit", "out_for_delivery", "ParcelDelivered"]),
        ("disorder", ["handed_over", "out_for_delivery", "in_transit", "ParcelDelivered"]),
    ],
)
def test_each_fault_tells_its_story_e5(word: str, expected: list[str]) -> None:
    assert stages(told_by(sure(word))) == expected
    ends = [name for name in expected if name.startswith("Parcel")]
    assert stages(told_by(sure(word), reports=False)) == ends


def test_a_late_parcel_arrives_days_later_and_the_carrier_says_so_on_the_way() -> None:
    *_, on_the_way, _, end = told_by(sure("late"))
    assert isinstance(on_the_way, ParcelProgressed) and isinstance(end, ParcelDelivered)
    assert on_the_way.expected_at == end.delivered_at
    assert SHORTEST_DELAY <= end.delivered_at - (NOW + WEEK) <= LONGEST_DELAY


def test_what_is_told_too_late_has_the_time_at_which_it_happened() -> None:
    _, further, earlier, _ = told_by(sure("disorder"))
    assert isinstance(further, ParcelProgressed) and isinstance(earlier, ParcelProgressed)
    assert earlier.at < further.at


def test_everything_may_be_told_twice() -> None:
    once, twice = told_by(NONE), told_by(sure("duplicate"))
    assert twice == [event for event in once for _ in range(2)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [("lost", ["ParcelLost"]), ("returned", ["ParcelReturned"]), ("late", ["ParcelDelivered"])],
)
def test_a_delivery_that_is_told_meets_the_fate_of_its_parcel(word: str, expected: list[str]) -> None:
    folding = Folding(service(None, faults=sure(word)), NOW)
    folding.tell(track())
    told = list(folding.tell(deliver()))
    assert folding.note == word
    if folding.timers:
        assert folding.tell(deliver()) == []
        assert folding.note == "on_its_last_way"
        told += folding.wait(LONGEST_DELAY)
    assert stages(told) == expected
    assert folding.refuses(deliver()) == ("already_delivered" if word == "late" else "already_over")


def test_the_same_seed_and_number_meet_the_same_fate_and_another_seed_another() -> None:
    everything = parse("all,seed=7", FAULTS, ALL)
    numbers = [f"TRACK-{number}" for number in range(2_000)]
    first = [fate(everything, number) for number in numbers]
    assert first == [fate(parse("all,seed=7", FAULTS, ALL), number) for number in numbers]
    assert first != [fate(parse("all,seed=8", FAULTS, ALL), number) for number in numbers]
    assert set(first) == {"", "late", "lost", "returned", "attempt_failed"}
    assert 20 <= first.count("lost") <= 60, "2 in a hundred"


@pytest.mark.parametrize("spec", ["lost", "lost=x", "lost=10001", "decline=5", "lost=-1"])
def test_a_spec_that_cannot_be_read_is_refused(spec: str) -> None:
    with pytest.raises(UnknownFault):
        parse(spec, FAULTS, ALL)


def test_what_is_reported_by_hand_is_told_and_ends_as_said() -> None:
    folding = given(track())
    expected_at = NOW + timedelta(days=2)
    (told,) = folding.tell(report(Stage.IN_TRANSIT, expected_at))
    assert isinstance(told, ParcelProgressed)
    assert (told.stage, told.at, told.expected_at) == (Stage.IN_TRANSIT, NOW, expected_at)
    assert stages(folding.tell(report(End.LOST))) == ["ParcelLost"]
    assert folding.refuses(report(End.RETURNED)) == "already_over"
    assert stages(folding.tell(report(End.DELIVERED))) == ["ParcelDelivered"]
    assert folding.refuses(report(End.DELIVERED)) == "already_delivered"
    assert folding.tell(track()) == [delivered()]


def test_a_replacement_of_a_lost_parcel_is_followed_anew_d10() -> None:
    folding = given(track(), report(End.LOST))
    folding.tell(track("TRACK-2"))
    assert folding.tell(deliver()) == [delivered(number="TRACK-2")]
