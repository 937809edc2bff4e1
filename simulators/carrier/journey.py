"""What becomes of a parcel: its way step by step, and what goes wrong on it. Pure functions of a seed, the tracking
number and two moments, so that the same parcel meets the same fate in every run.

A SPEC of faults is written as in `simulators.faults`, with these words: `seed=7,lost=100,late=500`, or `all`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from contracts.carrier import Stage
from simulators.faults import Faults

FAULTS: Final[Mapping[str, str]] = MappingProxyType({
    "late": "the parcel arrives days after it was expected",
    "lost": "the parcel is lost on its way",
    "returned": "the parcel cannot be delivered and goes back to its sender",
    "attempt_failed": "nobody opens at first; it is delivered a day later",
    "disorder": "where the parcel was is told only when it is already further",
    "duplicate": "everything about the parcel is told twice",
})  # fmt: skip
ALL: Final[Mapping[str, int]] = MappingProxyType({
    "late": 1_000,
    "lost": 200,
    "returned": 200,
    "attempt_failed": 1_000,
    "disorder": 1_000,
    "duplicate": 1_000,
})  # fmt: skip
"""A bad month of a bad carrier, in basis points."""

SHORTEST_DELAY, LONGEST_DELAY = timedelta(days=3), timedelta(days=25)
TRIED_AGAIN_AFTER = timedelta(days=1)
BACK_AFTER = timedelta(days=9)


class End(StrEnum):
    """What a parcel's way ends in."""

    DELIVERED = "delivered"
    LOST = "lost"
    RETURNED = "returned"


class Step(NamedTuple):
    """Something that happens to a parcel at `at`, and when its arrival is expected then. `told_at` is later where the
    carrier is slow to say so."""

    at: datetime
    what: Stage | End
    expected_at: datetime | None = None
    told_at: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """When it is told."""
        return self.told_at or self.at


def fate(faults: Faults, tracking_number: str) -> str:
    """What goes wrong with this parcel: one word of late, lost, returned, attempt_failed, or an empty one."""
    return faults.one_of(("lost", "returned", "late", "attempt_failed"), tracking_number) or ""


def delay(faults: Faults, tracking_number: str) -> timedelta:
    """How late this parcel is, if it is late."""
    return faults.span("late", tracking_number, SHORTEST_DELAY, LONGEST_DELAY)


def way(faults: Faults, tracking_number: str, start: datetime, delivery_time: timedelta) -> tuple[Step, ...]:
    """The parcel's whole way, in the order in which it is told. The last step is its end, and always told in time."""
    arrival = start + delivery_time
    meets = fate(faults, tracking_number)
    late = arrival + delay(faults, tracking_number) if meets == "late" else None
    steps = [
        Step(start, Stage.HANDED_OVER, arrival),
        Step(start + delivery_time * 0.4, Stage.IN_TRANSIT, late),
        *arriving(faults, tracking_number, late or arrival),
    ]
    if not faults.hits("disorder", tracking_number) or meets == "lost":
        return tuple(steps)
    # Told when the next step has been: whoever reads must go by the times inside.
    steps[1] = steps[1]._replace(told_at=steps[2].at)
    steps[1], steps[2] = steps[2], steps[1]
    return tuple(steps)


def arriving(faults: Faults, tracking_number: str, arrival: datetime) -> tuple[Step, ...]:
    """The last steps of a parcel that should be delivered at `arrival`; the last one is its end."""
    match fate(faults, tracking_number):
        case "lost":
            return (Step(arrival, End.LOST),)
        case "returned":
            return (
                Step(arrival, Stage.ATTEMPT_FAILED),
                Step(arrival + BACK_AFTER, End.RETURNED),
            )
        case "attempt_failed":
            again = arrival + TRIED_AGAIN_AFTER
            return (Step(arrival, Stage.ATTEMPT_FAILED, again), Step(again, End.DELIVERED))
        case _:
            return (Step(arrival, Stage.OUT_FOR_DELIVERY, arrival), Step(arrival, End.DELIVERED))
