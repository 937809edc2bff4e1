"""M5 and M6: half of what the system carries goes on while one part is off, or is killed; what becomes of it.

Every load ends as every other: each order as planned, every service quiet, both ledgers proved. A fault that cost an
order, or a cent, is no result but an error.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException

from bench.live import CatchUp, Second, catch_up, half_load, normal_again, seconds
from bench.measures import Length, Setting
from bench.outside import BenchFailed
from bench.plan import Mix
from bench.progress import acknowledged, progressed
from bench.result import Result
from bench.system import STOP_WITHIN, System
from bench.systems import SHARED_ORDERS
from holdfast.addresses import SERVICES
from holdfast.interrupts import run

IDS = ("M5", "M6")
OFF = "escrow"
"""The service that is switched off: every order waits for it."""
SERVERS = ("postgres", "kafka")
QUICK_PARTS = ("escrow",)
CATCH_UP_GOAL, PROGRESS_GOAL = 1.5, 5.0
BACK_WITHIN = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of a load: before the fault; how long a part that is switched off stays so; and, from when the part is
    back, at most to see what comes of it."""

    before: float
    off: float
    after: float

    def most_orders(self, rate: float) -> int:
        """More than are ever placed."""
        return round((self.before + self.off + self.after + 2 * BACK_WITHIN) * rate)


OFF_TIMES, QUICK_OFF_TIMES = Times(15, 60, 180), Times(5, 8, 20)
KILL_TIMES, QUICK_KILL_TIMES = Times(10, 0, 40), Times(5, 0, 9)


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a kill came to, in seconds: from the kill until the part is back (a process answers, a server serves); from
    then until every service that it stopped had handled a message again, and until all was as quick as before (None:
    not within the load, which is `seen` seconds long from then). `ready`: from back until the service calls itself so.
    """

    back: float
    progress: float
    ready: float | None
    normal: float | None
    seen: float


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """The measures on one system, a load each fault."""
    rate = half_load(setting)
    quick = setting.length is Length.QUICK
    off, kill = (QUICK_OFF_TIMES, QUICK_KILL_TIMES) if quick else (OFF_TIMES, KILL_TIMES)
    # When quick, fewer are placed than a shared system is made for, however late a part comes back.
    most = SHARED_ORDERS if quick else max(off.most_orders(rate), kill.most_orders(rate))
    with setting.system("faults", most, warm_up=round(rate * 5)) as (system, mix):
        if "M5" in wanted:
            setting.say(f"{OFF} goes off for {off.off:g} s at {rate:.0f} orders a second")
            yield switched_off(system, mix, rate, off)
        if "M6" in wanted:
            for part in QUICK_PARTS if quick else (*SERVICES, *SERVERS):
                setting.say(f"kill -9 of {part} at {rate:.0f} orders a second")
                yield from recovered(part, *killed(system, mix, rate, part, kill))


def switched_off(system: System, mix: Mix, rate: float, times: Times) -> Result:
    """M5: stops the service in order, starts it again when its time is over."""
    moments: dict[str, float] = {}
    process, port = system.services[OFF][0], system.ports[OFF][0]

    def fault() -> None:
        time.sleep(times.before)
        moments["off"] = time.monotonic()
        process.stop(within=STOP_WITHIN)
        time.sleep(max(moments["off"] + times.off - time.monotonic(), 0.0))
        process.launch()
        process.wait_until(partial(_answers, system, port, "/readyz"), BACK_WITHIN)
        moments["on"] = time.monotonic()
        _go_on(system, times.after, lambda told: catch_up(told, moments["off"], moments["on"]).whole)
        moments["end"] = time.monotonic()

    drain = system.drain(mix, times.most_orders(rate), rate=rate, begun=fault)
    told = [one for one in seconds(drain.seconds) if one.clock <= moments["end"]]
    try:
        found = catch_up(told, moments["off"], moments["on"])
    except ValueError as error:
        raise BenchFailed("load_too_short", str(error)) from error
    return caught_up(found, told, moments, rate)


def caught_up(found: CatchUp, told: Sequence[Second], moments: Mapping[str, float], rate: float) -> Result:
    """M5 as a result, with the orders in flight over time as its plot."""
    away = moments["on"] - moments["off"]
    end = (
        f"{found.seconds:.0f} s later all was done" if found.whole else f"not all was done {found.seconds:.0f} s later"
    )
    flight = [[one.clock - moments["off"], one.moving] for one in told]
    return Result(
        "M5",
        f"catch-up after {OFF} was off: orders completed a second ÷ orders placed a second "
        f"({found.waiting} waited after {away:.0f} s, {end})",
        "×", [found.rate / rate], CATCH_UP_GOAL, "higher",
        {
            "placed_a_second": rate, "completed_a_second": found.rate, "waited": found.waiting,
            "seconds": found.seconds, "whole": found.whole, "away": away,
            "plot": {"x": f"seconds since {OFF} went off", "y": "orders in flight", "lines": {"in flight": flight}},
        },
    )  # fmt: skip


def killed(system: System, mix: Mix, rate: float, part: str, times: Times) -> tuple[Recovery, list[Second]]:
    """One load in whose midst the part is killed and started again at once."""
    moments: dict[str, float] = {}

    bootstrap = system.kafka.bootstrap

    def look() -> None:
        for moment, path in (("back", "/livez"), ("ready", "/readyz")):
            if moment not in moments and _answers(system, system.ports[part][0], path):
                moments[moment] = time.monotonic()

    def fault() -> None:
        time.sleep(times.before)
        kill, restart = _hands(system, part)
        if part in SERVERS:
            before = run(acknowledged(bootstrap, SERVICES))
            moments["killed"] = time.monotonic()
            kill()
            restart()
            moments["back"] = time.monotonic()
            run(progressed(bootstrap, before))
            moments["progress"] = time.monotonic()
        else:
            moments["killed"] = time.monotonic()
            kill()
            # Read while nobody can move it: whatever comes on top is the new process's work.
            before = run(acknowledged(bootstrap, [part]))
            restart()
            run(progressed(bootstrap, before, look))
            moments["progress"] = time.monotonic()
            deadline = time.monotonic() + BACK_WITHIN
            while "ready" not in moments and time.monotonic() < deadline:
                look()
        began = moments.setdefault("back", moments["progress"])
        _go_on(system, times.after, lambda told: normal_again(told, moments["killed"], began) is not None)
        moments["end"] = time.monotonic()

    drain = system.drain(mix, times.most_orders(rate), rate=rate, begun=fault)
    told = [one for one in seconds(drain.seconds) if one.clock <= moments["end"]]
    back = moments["back"]
    ready = moments["ready"] - back if "ready" in moments else None
    normal = normal_again(told, moments["killed"], back)
    return Recovery(back - moments["killed"], moments["progress"] - back, ready, normal, told[-1].clock - back), told


def recovered(part: str, found: Recovery, told: Sequence[Second]) -> Iterator[Result]:
    """M6 as results, with the p99 of every second as a plot."""
    start = told[0].clock
    ways = sorted({way for one in told for way in one.p99})
    lines = {way: [[one.clock - start, one.p99[way] * 1000] for one in told if way in one.p99] for way in ways}
    yield Result(
        "M6", f"kill -9 of {part}: from back to first progress (back {found.back:.1f} s after the kill)", "s",
        [found.progress], PROGRESS_GOAL, "lower",
        {
            "part": part, "back": found.back, "ready_after_back": found.ready, "ledgers": "proved",
            "plot": {"x": "seconds of the load", "y": "p99 of the second, ms", "lines": lines, "log": True},
        },
    )  # fmt: skip
    seen = "" if found.normal is not None else " (not within the load)"
    yield Result(
        "M6", f"kill -9 of {part}: from back to normal p99{seen}", "s",
        [found.seen if found.normal is None else found.normal], details={"reached_normal": found.normal is not None},
    )  # fmt: skip


def _go_on(system: System, most: float, over: Callable[[Sequence[Second]], bool]) -> None:
    """Lets the load go on until `over`, or for at most so many seconds; then no more orders are placed."""
    assert system.load
    deadline = time.monotonic() + most
    while time.monotonic() < deadline and not over(seconds(system.load.seconds)):
        time.sleep(0.5)
    system.load.enough()


def _hands(system: System, part: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """How the part is killed, and how it is started again; a server's start returns when it serves."""
    match part:
        case "postgres":
            return system.postgres.kill, system.postgres.restart
        case "kafka":
            return system.kafka.kill, system.kafka.restart
        case _:
            process = system.services[part][0]
            return process.kill, process.launch


def _answers(system: System, port: int, path: str) -> bool:
    try:
        system.ask(port, path)
    except (OSError, HTTPException):
        return False
    return True
