"""M3: from a message to its effect, at parts of what the system carries.

The loop is open: orders are due at a fixed rate, whatever becomes of them, and every time counts from when the message
was due, not from when it could be sent; so a system that stands still makes all that was due meanwhile late. It ends
when the outside consumer has read the effect. Between lie, for every service on the way: Kafka, the service's decision
and its COMMIT, its relay, and Kafka again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.histogram import Histogram
from bench.measures import Setting
from bench.result import Result
from bench.system import Drain
from bench.systems import Ready

IDS = ("M3",)
PARTS = (25, 50, 80)
"""Percent of M1."""
GOAL_PART, GOAL_MS = 50, 50.0
CALIBRATION = 10_000
"""Orders of the drain that stands for M1 where that was not taken."""
PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a message to its effect: `name` as the load measures it, in so many `steps`, each a
    message that a service handles; None where it stands still between them, for people."""

    name: str
    what: str
    steps: int | None


WAYS = (
    Way("placed", "PlaceOrder to OrderPlaced", 1),
    Way("released", "ConfirmReceipt to FundsReleased", 2),
    Way("secured", "PaymentSucceeded to FundsSecured", 4),
    Way("whole", "PlaceOrder to all at rest, the seller's pause included", None),
)
HOP = WAYS[0]
"""What the goal is for: one message, one service, its effect."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """Open loops at each part of M1, on one system."""
    capacity = setting.known["M1"].median if "M1" in setting.known else None
    rates = [(capacity or 0.0) * part / 100 for part in PARTS]
    most = setting.orders or max(CALIBRATION, *(loop_orders(setting, rate) for rate in rates))
    with setting.system("latency", most) as ready:
        if capacity is None:
            capacity = ready.system.drain(ready.mix, setting.orders or CALIBRATION).rate
            setting.say(f"M1 was not taken; a short drain carries {capacity:.0f} orders a second")
        repeats = setting.repeats or setting.by_length(1, 1, 3)
        loops = {part: opened(setting, ready, capacity * part / 100, repeats) for part in PARTS}
    yield from latencies(capacity, {part: [one.told["latencies"] for one in some] for part, some in loops.items()})


def loop_orders(setting: Setting, rate: float) -> int:
    """Orders of one open loop at this rate: three seconds of it when quick, a minute when long."""
    return setting.orders or max(int(rate * setting.by_length(3, 15, 60)), 500)


def opened(setting: Setting, ready: Ready, rate: float, repeats: int) -> list[Drain]:
    """The open loops at this rate."""
    drains = []
    for number in range(repeats):
        one = ready.system.drain(ready.mix, loop_orders(setting, rate), rate=rate)
        drains.append(one)
        hop = Histogram(one.told["latencies"][HOP.name]["buckets"])
        setting.say(
            f"open loop {number + 1} of {repeats}: {one.orders} orders at {rate:.0f} a second, {HOP.what}: "
            + ", ".join(f"{name} {ms:.1f} ms" for name, ms in percentiles([hop]).items())
        )
    return drains


def latencies(capacity: float, told: Mapping[int, Sequence[Mapping[str, Any]]]) -> Iterator[Result]:
    """The p99 of each loop: of one hop at every part of M1, of longer ways at half of it; the details have all of them,
    by part, over all loops together. `told` is, by part, what each loop said of its latencies, by way."""
    for way in WAYS:
        found = {part: [Histogram(one[way.name]["buckets"]) for one in loops] for part, loops in told.items()}
        together = {part: percentiles(some) for part, some in found.items()}
        for part, some in found.items():
            if way is HOP or part == GOAL_PART:
                yield _result(way, part, capacity * part / 100, some, together)


def _result(
    way: Way, part: int, rate: float, loops: Sequence[Histogram], together: Mapping[int, Mapping[str, float]]
) -> Result:
    all, at_goal = together[part], part == GOAL_PART
    details: dict[str, Any] = {"way": way.name, "rate": rate, "ms": all}
    if at_goal:
        details |= {"by_part": {str(one): together[one] for one in together}, "plot": plotted(together)}
    steps = "" if way.steps is None else f" ({way.steps} step{'s' if way.steps > 1 else ''})"
    return Result(
        "M3",
        f"{way.what}{steps}: p99 at {part} % of M1, {rate:.0f} orders/s "
        f"(p50 {all['p50']:.0f} ms, p99.9 {all['p99.9']:.0f} ms)",
        "ms",
        [one.at(0.99) * 1000 for one in loops],
        GOAL_MS if way is HOP and at_goal else None,
        details=details,
    )


def percentiles(histograms: Sequence[Histogram]) -> dict[str, float]:
    """Milliseconds by name, of all histograms together."""
    together = Histogram()
    for one in histograms:
        together.merge(one)
    return {name: together.at(share) * 1000 for name, share in PERCENTILES.items()}


def plotted(together: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    """Percentiles over the part of M1."""
    lines = {name: [[part, some[name]] for part, some in together.items()] for name in PERCENTILES}
    return {"x": "% of M1", "y": "ms", "lines": lines, "log": True}
