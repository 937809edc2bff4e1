"""What an open loop tells of every second: whether work that waited was caught up with, and when all was normal again.
Half of what the system carries is the load for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from bench.measures import Setting
from bench.result import Result

SETTLED = 2.0
"""Seconds at the beginning of a load that say nothing of what is normal."""
TOLERANCE, IN_A_ROW = 1.5, 3
"""A second is normal whose p99 is no more than so many times the worst one before the fault; all is normal again with
the first of so many such seconds in a row."""
BACKLOG_TOLERANCE = 1.1
CALIBRATION = 10_000


@dataclass(frozen=True, slots=True)
class Second:
    """The state at `clock` (monotonic seconds): orders placed, completed, and in flight without those that wait for the
    clock; and the p99 in seconds, by way, of what had its effect since the second before."""

    clock: float
    placed: int
    completed: int
    moving: int
    p99: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How work that waited was worked off: orders completed a second meanwhile, while new ones came as before.
    `whole` is False when the load ended before."""

    rate: float
    seconds: float
    whole: bool
    waiting: int
    """Orders in flight beyond the normal at its beginning."""


def seconds(told: Iterable[Mapping[str, Any]]) -> list[Second]:
    """As the load tells them."""
    return [Second(one["clock"], one["placed"], one["completed"], one["moving"], one["p99"]) for one in told]


def catch_up(told: Sequence[Second], off: float, on: float) -> CatchUp:
    """What happened from `on` until as many orders were in flight as at most before `off`, or else until the end, while
    orders were placed all the time. Raises ValueError when nothing normal was seen before `off`."""
    before = _normal(told, off)
    if not before:
        raise ValueError("the load was too short: nothing was placed before the service went off")
    usual = max(one.moving for one in before)
    start = max((one for one in told if one.clock <= on), key=lambda one: one.clock)
    after = [one for one in told if one.clock > on]
    end = next((one for one in after if one.moving <= usual * BACKLOG_TOLERANCE), None)
    last = end or (after or [start])[-1]
    passed = last.clock - on
    rate = (last.completed - start.completed) / passed if passed > 0 else 0.0
    return CatchUp(rate, max(passed, 0.0), end is not None, start.moving - usual)


def normal_again(told: Sequence[Second], killed: float, back: float) -> float | None:
    """Seconds from `back` to the end of the first of `IN_A_ROW` seconds in a row in which every way was as quick as
    before `killed`; None when that never was. A second in which nothing on a busy way had its effect is not normal."""
    before = _normal(told, killed)
    limits: dict[str, float] = {}
    for one in before:
        for way, p99 in one.p99.items():
            limits[way] = max(limits.get(way, 0.0), p99 * TOLERANCE)
    busy = [way for way in limits if all(way in one.p99 for one in before)]
    row: list[Second] = []
    for earlier, one in pairwise(told):
        if earlier.clock < killed:
            continue
        quick = all(p99 <= limits.get(way, p99) for way, p99 in one.p99.items())
        row = [*row, one] if limits and quick and all(way in one.p99 for way in busy) else []
        if len(row) == IN_A_ROW and one.clock > back:
            return max(row[0].clock - back, 0.0)
        if len(row) == IN_A_ROW:
            row = row[1:]
    return None


def _normal(told: Sequence[Second], until: float) -> list[Second]:
    return [one for one in told if told[0].clock + SETTLED <= one.clock < until]


def half_load(setting: Setting) -> float:
    """Half of M1 in orders a second: as this run took it, else of a short drain on a system of its own, once a run."""
    if "M1" in setting.known:
        rate = setting.known["M1"].median
    elif "calibration" in setting.known:
        rate = setting.known["calibration"].median
    else:
        orders = setting.orders or CALIBRATION
        setting.say(f"M1 was not taken; a drain of {orders} orders stands for it")
        with setting.system("calibration", orders) as (system, mix):
            rate = system.drain(mix, orders).rate
        setting.known["calibration"] = Result("calibration", "completed orders a second", "orders/s", [rate])
    setting.say(f"half of {rate:.0f} orders a second")
    return rate / 2
