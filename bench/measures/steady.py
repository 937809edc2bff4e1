"""M10: half of what the system carries, for a long time: does anything grow but the data that it is asked to keep?

Growth is looked at in the second half of the time. Rows that stay (orders, transfers, ids of handled messages) may go
on to take the space that they took until then; what grows beyond that (dead rows that are not cleared away, queues that
do not shrink, indexes that become sparse) is too much, and so is memory that goes on to grow.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from bench.footprint import Footprint, Watcher, growths, later_half, per_hour
from bench.live import half_load
from bench.measures import Length, Setting
from bench.result import Result
from holdfast.addresses import SERVICES

IDS = ("M10",)
MB = 1e6
MEMORY_GOAL = 120.0
"""MB, resident, of each service."""
FLAT_MEMORY = 12.0
"""MB an hour that count as flat: a tenth of the limit. An hour is not told from a minute, so only the long run has a
goal for growth."""
FLAT_DATA = 0.05
"""Bytes beyond data kept that count as flat, for each byte kept."""
SHOWN = 8
"""Lines of a plot at most."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """One long load."""
    rate = half_load(setting)
    length, every = setting.by_length((10.0, 1.0), (45.0, 3.0), (20 * 60.0, 10.0))
    orders = round(rate * length)
    with setting.system("steady", orders, warm_up=orders // 20) as (system, mix):
        setting.say(f"{rate:.0f} orders a second for {length:g} s")
        watcher = Watcher(system, every)
        try:
            drain = system.drain(mix, orders, rate=rate, begun=watcher.begin)
        finally:
            found = watcher.end()
    # What comes after the last order was placed (time to ship runs out all at once) is no steady state.
    placing = [one for one in found if one.at <= drain.seconds[-1]["at"] and one.at <= length]
    told_an_hour = setting.length is Length.LONG
    yield from memory(placing, goal=told_an_hour)
    yield from space(placing, goal=told_an_hour)


def memory(found: Sequence[Footprint], *, goal: bool) -> Iterator[Result]:
    """The largest service, and the one that grows most."""
    largest = {name: max(one.memory[name] for one in found) / MB for name in found[0].memory}
    late = later_half(found)
    growth = {name: per_hour((one.at, one.memory[name] / MB) for one in late) for name in found[0].memory}
    worst = max(SERVICES, key=lambda name: largest[name])
    fastest = max(SERVICES, key=lambda name: growth[name])
    lines = {name: [[one.at / 60, one.memory[name] / MB] for one in found] for name in largest}
    yield Result(
        "M10", f"most resident memory of a service ({worst})", "MB", [largest[worst]], MEMORY_GOAL, "lower",
        {"largest": largest, "plot": _plot("resident memory, MB", lines)},
    )  # fmt: skip
    yield Result(
        "M10", f"growth of memory of the service that grows most ({fastest}), second half of the time", "MB/h",
        [growth[fastest]], FLAT_MEMORY if goal else None, details={"growth": growth},
    )  # fmt: skip


def space(found: Sequence[Footprint], *, goal: bool) -> Iterator[Result]:
    """Growth beyond data kept, and dead rows."""
    late = later_half(found)
    grown = growths(late[0], late[-1])
    an_hour = 3600 / max(late[-1].at - late[0].at, 1e-9) / MB
    kept = sum(one.kept for one in grown.values()) * an_hour
    beyond = {name: one.beyond * an_hour for name, one in grown.items() if one.beyond}
    yield Result(
        "M10", f"growth of tables and indexes beyond data kept ({kept:,.0f} MB/h), second half of the time", "MB/h",
        [sum(beyond.values())], kept * FLAT_DATA if goal else None,
        details={
            "kept": kept,
            "beyond": dict(sorted(beyond.items(), key=lambda item: -abs(item[1]))),
            "plot": _plot("tables with their indexes, MB", _sizes(found)),
        },
    )  # fmt: skip
    early = max(one.dead for one in found if one not in late)
    dead = {name: [[one.at / 60, one.tables[name].dead if name in one.tables else 0] for one in found]
            for name in found[-1].tables}  # fmt: skip
    yield Result(
        "M10", f"most dead rows at once, second half of the time (first half: {early:,})", "rows",
        [max(one.dead for one in late)], details={"first_half": early, "plot": _plot("dead rows", _most(dead))},
    )  # fmt: skip


def _sizes(found: Sequence[Footprint]) -> dict[str, list[list[float]]]:
    lines = {
        name: [
            [one.at / 60, (one.tables[name].heap + one.tables[name].indexes) / MB if name in one.tables else 0.0]
            for one in found
        ]
        for name in found[-1].tables
    }
    queues = {name: points for name, points in lines.items() if name.endswith(".outbox")}
    return {**_most(lines), **queues}


def _most(lines: Mapping[str, list[list[float]]]) -> dict[str, list[list[float]]]:
    """Those that reach highest."""
    return dict(sorted(lines.items(), key=lambda item: -max(y for _, y in item[1]))[:SHOWN])


def _plot(y: str, lines: Mapping[str, Any]) -> dict[str, Any]:
    return {"x": "minutes", "y": y, "lines": lines}
