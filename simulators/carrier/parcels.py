"""A parcel on its way, by reference. A replacement under the same reference takes the place of the first parcel."""

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from contracts.carrier import ParcelDelivered, TrackParcel
from contracts.message import Message, Role
from runtime.decision import Look, Outcome, Refused, Timer, TimeUp
from simulators.carrier.control import DeliverParcel

DELIVERY = "delivery"


class Parcel(msgspec.Struct, frozen=True):
    """The parcel followed now; `earlier` are tracking numbers it took the place of."""

    reference: str
    carrier: str
    tracking_number: str
    tracked_at: datetime
    delivered_at: datetime | None = None
    earlier: tuple[str, ...] = ()


def decide(
    delivery_time: timedelta | None, state: Parcel | None, message: Message | TimeUp, now: datetime, look: Look
) -> Outcome[Parcel]:
    """Decides one message for one reference. With a `delivery_time` parcels are delivered by themselves after it.
    Refuses: forbidden, not_found, other_parcel, already_delivered."""
    match message:
        case TrackParcel():
            return _track(delivery_time, state, message, now)
        case DeliverParcel():
            return _deliver(state, message, now)
        case TimeUp():
            if state is None or state.delivered_at:
                return Outcome(note="nothing_to_deliver")
            return _delivered(state, now)
    raise TypeError(f"the carrier does not decide {type(message).__name__}")


def _track(
    delivery_time: timedelta | None, state: Parcel | None, command: TrackParcel, now: datetime
) -> Outcome[Parcel]:
    if command.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "the carrier follows parcels only for services")
    if state and command.tracking_number == state.tracking_number:
        if state.delivered_at is None:
            return Outcome(note="followed_before")
        return Outcome(messages=[_event(state, state.delivered_at)], note="answered_again")
    if state and command.tracking_number in state.earlier:
        return Outcome(note="replaced_before")
    earlier = (*state.earlier, state.tracking_number) if state else ()
    parcel = Parcel(command.reference, command.carrier, command.tracking_number, now, earlier=earlier)
    return Outcome(parcel, timers=[Timer(DELIVERY, now + delivery_time)] if delivery_time is not None else ())


def _deliver(state: Parcel | None, command: DeliverParcel, now: datetime) -> Outcome[Parcel]:
    if state is None:
        raise Refused("not_found", "the carrier does not follow a parcel of this reference yet; try again later")
    if command.tracking_number not in (None, state.tracking_number):
        raise Refused("other_parcel", f"the parcel followed now is {state.tracking_number}")
    if state.delivered_at:
        raise Refused("already_delivered", f"it was delivered at {state.delivered_at.isoformat()}")
    return _delivered(state, now)


def _delivered(parcel: Parcel, now: datetime) -> Outcome[Parcel]:
    return Outcome(replace(parcel, delivered_at=now), [_event(parcel, now)], [Timer(DELIVERY, None)])


def _event(parcel: Parcel, delivered_at: datetime) -> ParcelDelivered:
    return ParcelDelivered(
        reference=parcel.reference, tracking_number=parcel.tracking_number, delivered_at=delivered_at
    )
