"""A parcel on its way, by reference. A replacement under the same reference takes the place of the first parcel."""

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from contracts.carrier import ParcelDelivered, ParcelLost, ParcelProgressed, ParcelReturned, Stage, TrackParcel
from contracts.message import Event, Message, Role
from runtime.decision import Look, Outcome, Refused, Timer, TimeUp
from simulators.carrier.control import DeliverParcel, ReportParcel
from simulators.carrier.journey import End, Step, arriving, delay, fate, way
from simulators.faults import NONE, Faults

DELIVERY = "delivery"
"""Name of the one timer of a parcel: its next step."""


class Manner(NamedTuple):
    """How the carrier works: delivers by itself after `delivery_time` or only when told (None), reports where parcels
    are on their way or only how they end, and what goes wrong."""

    delivery_time: timedelta | None = None
    reports: bool = False
    faults: Faults = NONE


class Parcel(msgspec.Struct, frozen=True):
    """The parcel followed now; `earlier` are tracking numbers it took the place of. At most one of the three last times
    is set. `steps` were told; `arrives_at` is when a parcel that was told to be delivered should be."""

    reference: str
    carrier: str
    tracking_number: str
    tracked_at: datetime
    delivered_at: datetime | None = None
    earlier: tuple[str, ...] = ()
    lost_at: datetime | None = None
    returned_at: datetime | None = None
    steps: int = 0
    arrives_at: datetime | None = None
    met: str = ""
    """What goes wrong with it, once that has begun."""

    @property
    def over(self) -> bool:
        """Whether its way has come to an end."""
        return bool(self.delivered_at or self.lost_at or self.returned_at)


def decide(
    manner: Manner, state: Parcel | None, message: Message | TimeUp, now: datetime, look: Look
) -> Outcome[Parcel]:
    """Decides one message for one reference. Refuses: forbidden, not_found, other_parcel, already_delivered,
    already_over."""
    match message:
        case TrackParcel():
            return _track(manner, state, message, now)
        case DeliverParcel():
            return _deliver(manner, state, message, now)
        case ReportParcel():
            return _report(manner, state, message, now)
        case TimeUp():
            if state is None or state.over:
                return Outcome(note="nothing_to_deliver")
            return _go_on(manner, state, now)
    raise TypeError(f"the carrier does not decide {type(message).__name__}")


def _track(manner: Manner, state: Parcel | None, command: TrackParcel, now: datetime) -> Outcome[Parcel]:
    if command.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "the carrier follows parcels only for services")
    if state and command.tracking_number == state.tracking_number:
        if not state.over:
            return Outcome(note="followed_before")
        return Outcome(messages=[_end(state)], note="answered_again")
    if state and command.tracking_number in state.earlier:
        return Outcome(note="replaced_before")
    earlier = (*state.earlier, state.tracking_number) if state else ()
    parcel = Parcel(command.reference, command.carrier, command.tracking_number, now, earlier=earlier)
    if manner.delivery_time is not None:
        return _go_on(manner, replace(parcel, met=fate(manner.faults, parcel.tracking_number)), now)
    if not manner.reports:
        return Outcome(parcel)
    return Outcome(parcel, _told(manner, parcel, [Step(now, Stage.HANDED_OVER)]))


def _deliver(manner: Manner, state: Parcel | None, command: DeliverParcel, now: datetime) -> Outcome[Parcel]:
    """Handed over now, if nothing goes wrong with it: else its fate begins now."""
    parcel = _named(state, command.tracking_number)
    if parcel.delivered_at:
        raise Refused("already_delivered", f"it was delivered at {parcel.delivered_at.isoformat()}")
    if parcel.over:
        raise Refused("already_over", "it was lost, or went back to its sender")
    if parcel.arrives_at:
        return Outcome(note="on_its_last_way")
    number = parcel.tracking_number
    word = fate(manner.faults, number)
    if not word:
        return _ended(manner, parcel, End.DELIVERED, now)
    late = now + delay(manner.faults, number) if word == "late" else now
    started = _go_on(manner, replace(parcel, arrives_at=late, steps=0, met=word), now)
    return Outcome(started.state, started.messages, started.timers, note=word)


def _report(manner: Manner, state: Parcel | None, command: ReportParcel, now: datetime) -> Outcome[Parcel]:
    parcel = _named(state, command.tracking_number)
    if parcel.over and command.what is not End.DELIVERED:
        raise Refused("already_over", "its way has come to an end")
    if isinstance(command.what, End):
        return _ended(manner, parcel, command.what, now)
    return Outcome(messages=_told(manner, parcel, [Step(now, command.what, command.expected_at)], said=True))


def _named(state: Parcel | None, tracking_number: str | None) -> Parcel:
    if state is None:
        raise Refused("not_found", "the carrier does not follow a parcel of this reference yet; try again later")
    if tracking_number not in (None, state.tracking_number):
        raise Refused("other_parcel", f"the parcel followed now is {state.tracking_number}")
    return state


def _steps(manner: Manner, parcel: Parcel) -> tuple[Step, ...]:
    """The whole way of the parcel, the same each time it is asked for."""
    if parcel.arrives_at:
        return arriving(manner.faults, parcel.tracking_number, parcel.arrives_at)
    assert manner.delivery_time is not None
    return way(manner.faults, parcel.tracking_number, parcel.tracked_at, manner.delivery_time)


def _go_on(manner: Manner, parcel: Parcel, now: datetime) -> Outcome[Parcel]:
    """Tells every step that is due, and sets the timer to the next."""
    steps = _steps(manner, parcel)
    due = [step for step in steps[parcel.steps :] if step.due_at <= now]
    moved = replace(parcel, steps=parcel.steps + len(due))
    for step in due:
        if isinstance(step.what, End):
            # At the time it is told: a carrier that was away reports what it did when it is back.
            moved = _at_end(moved, step.what, now)
    told = _told(manner, moved, due)
    if moved.over:
        return Outcome(moved, told, [Timer(DELIVERY, None)])
    following = [step.due_at for step in steps[moved.steps :] if manner.reports or isinstance(step.what, End)]
    return Outcome(moved, told, [Timer(DELIVERY, max(following[0], now))])


def _ended(manner: Manner, parcel: Parcel, end: End, now: datetime) -> Outcome[Parcel]:
    if end is End.DELIVERED and parcel.delivered_at:
        raise Refused("already_delivered", f"it was delivered at {parcel.delivered_at.isoformat()}")
    over = _at_end(parcel, end, now)
    return Outcome(over, _told(manner, over, [Step(now, end)]), [Timer(DELIVERY, None)])


def _at_end(parcel: Parcel, end: End, at: datetime) -> Parcel:
    return replace(
        parcel,
        delivered_at=at if end is End.DELIVERED else None,
        lost_at=at if end is End.LOST else None,
        returned_at=at if end is End.RETURNED else None,
    )


def _told(manner: Manner, parcel: Parcel, steps: list[Step], said: bool = False) -> list[Event]:
    """The events of these steps. Where a parcel is on its way is told if the carrier reports it, or was told to."""
    events: list[Event] = []
    for step in steps:
        if isinstance(step.what, End):
            events.append(_end(parcel))
        elif manner.reports or said:
            events.append(_progress(parcel, step))
    twice = manner.faults.hits("duplicate", parcel.tracking_number)
    return [event for event in events for _ in range(2)] if twice else events


def _progress(parcel: Parcel, step: Step) -> Event:
    assert isinstance(step.what, Stage)
    return ParcelProgressed(
        reference=parcel.reference,
        tracking_number=parcel.tracking_number,
        stage=step.what,
        at=step.at,
        expected_at=step.expected_at,
    )


def _end(parcel: Parcel) -> Event:
    names = {"reference": parcel.reference, "tracking_number": parcel.tracking_number}
    if parcel.delivered_at:
        return ParcelDelivered(**names, delivered_at=parcel.delivered_at)
    if parcel.lost_at:
        return ParcelLost(**names, lost_at=parcel.lost_at)
    assert parcel.returned_at
    return ParcelReturned(**names, returned_at=parcel.returned_at)
