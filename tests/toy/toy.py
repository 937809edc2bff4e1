"""Messages and decision of the toy service."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field

from contracts.carrier import ParcelDelivered
from contracts.message import Command, Event, Id, Refusal, Role
from runtime.decision import Aggregate, Column, Look, Outcome, Refused, Service, Timer, TimeUp, to

MIGRATIONS = Path(__file__).parent / "migrations"
POISON = 666
FORBIDDEN_BY_DATABASE = 777
cured = Path("/nonexistent")
"""While this file is missing, adding POISON raises: the fault that an operator's fix removes."""


class Add(Command, key="tally"):
    """Adds `number`; 666 meets a bug, 777 a constraint of the database, below zero is refused. The event has `padding`
    bytes more than it needs."""

    tally: Id
    number: Annotated[int, Field(strict=True)]
    padding: Annotated[int, Field(strict=True, ge=0)] = 0


class RingLater(Command, key="tally"):
    """Sets the timer of this tally."""

    tally: Id
    seconds: float


class Added(Event, key="tally"):
    """The total after an addition."""

    tally: Id
    number: int
    total: int
    padding: str | None = None


class Rang(Event, key="tally"):
    """The timer fell due."""

    tally: Id


class CommandRefused(Refusal, key="subject"):
    """A toy command was refused."""


class Tally(msgspec.Struct, frozen=True):
    """What was added, in order."""

    total: int = 0
    numbers: tuple[int, ...] = ()
    rings: int = 0


def decide(state: Tally | None, message: Add | RingLater | TimeUp, now: datetime, look: Look) -> Outcome[Tally]:
    state = state or Tally()
    if isinstance(message, TimeUp):
        return Outcome(msgspec.structs.replace(state, rings=state.rings + 1), [Rang(tally=message.name)])
    if isinstance(message, RingLater):
        return Outcome(state, timers=[Timer(message.tally, now + timedelta(seconds=message.seconds))])
    if message.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "only services add")
    if message.number < 0:
        raise Refused("negative", "send a number of zero or more")
    if message.number == POISON and not cured.exists():
        raise ZeroDivisionError("a bug in the decision")
    total = state.total + message.number
    after = Tally(total, (*state.numbers, message.number), state.rings)
    padding = "x" * message.padding or None
    return Outcome(after, [Added(tally=message.tally, number=message.number, total=total, padding=padding)])


TOY = Service(
    name="toy",
    aggregates=(
        Aggregate(
            "tallies", Tally, decide, columns={"last": Column("bigint", lambda state: (state.numbers or (0,))[-1])}
        ),
    ),
    routes={Add: to("tallies", "tally"), RingLater: to("tallies", "tally")},
    refusal=CommandRefused,
)


class Seen(msgspec.Struct, frozen=True):
    """Totals that the mirror was told, in order; and the carrier's word, which comes by webhook."""

    totals: tuple[int, ...] = ()
    parcels: tuple[str, ...] = ()


def reflect(state: Seen | None, message: Added | ParcelDelivered, now: datetime, look: Look) -> Outcome[Seen]:
    state = state or Seen()
    if isinstance(message, ParcelDelivered):
        return Outcome(Seen(state.totals, (*state.parcels, message.tracking_number)))
    return Outcome(Seen((*state.totals, message.total), state.parcels))


MIRROR = Service(
    name="mirror",
    aggregates=(Aggregate("seen", Seen, reflect),),
    routes={Added: to("seen", "tally"), ParcelDelivered: to("seen", "reference")},
    refusal=CommandRefused,
)
