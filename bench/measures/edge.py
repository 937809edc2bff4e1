"""M9: what a request costs at the HTTP edge: placing and confirming orders over HTTP, everything else over Kafka.

Placing is measured while nobody pays, so nothing follows from it but the event; confirming sets the release of the
money going, which is in its figures. Orders come to be delivered in between, unmeasured.
"""

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bench import meter
from bench.histogram import Histogram
from bench.measures import Setting
from bench.outside import Load
from bench.plan import Mix
from bench.result import Result
from bench.system import System

IDS = ("M9",)
GOAL_MS = 0.5
CONNECTIONS = 128
FOLLOWS = {"place": "nothing follows but the event", "confirm": "the release that follows included"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Requests of one kind, one loop: what the client told, and what all processes used until nothing more followed."""

    told: dict[str, Any]
    used: meter.Used

    @property
    def rate(self) -> float:
        """Answers a second."""
        return float(self.told["orders"] / self.told["seconds"])

    @property
    def cpu_ms(self) -> dict[str, float]:
        """CPU-ms a request, by process."""
        return {name: seconds * 1000 / self.told["orders"] for name, seconds in self.used.cpu.items()}

    @property
    def latencies(self) -> Histogram:
        return Histogram(self.told["latencies"]["buckets"])


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """A closed loop that finds what the edge carries, and an open loop at half of that, of both kinds of requests. Each
    loop has orders of its own, after a warm-up with others."""
    count = setting.orders or setting.by_length(2_000, 5_000, 30_000)
    warm = max(count // 5, 500)
    closed: dict[str, Asked] = {}
    opened: dict[str, Asked] = {}
    with setting.system("edge", warm + 2 * count) as (system, mix):
        for kind in ("place", "confirm"):
            setting.say(f"{kind} over HTTP: warming up, {CONNECTIONS} connections, then half the rate")
            asked(system, mix, kind, 0, warm)
            closed[kind] = asked(system, mix, kind, warm, count)
            opened[kind] = asked(system, mix, kind, warm + count, count, rate=closed[kind].rate / 2)
            if kind == "place":
                setting.say("paying, shipping and delivering what was placed")
                delivered(system, mix, warm + 2 * count)
        system.prove_ledgers()
    for kind in closed:
        yield from edge(kind, closed[kind], opened[kind])


def asked(system: System, mix: Mix, kind: str, first: int, count: int, rate: float = 0.0) -> Asked:
    """One request for each of `count` orders, measured until every service is quiet again."""
    which = [f"--first={first}", f"--orders={count}", f"--rate={rate}"]
    load = _load(mix, kind, f"--port={system.ports['orders'][0]}", f"--keys={system.keys}", *which)
    try:
        before = meter.read(system.roots())
        load.begin()
        told = load.end()
        system.wait_until_quiet()
        return Asked(told, meter.used(before, meter.read(system.roots())))
    finally:
        load.stop()


def delivered(system: System, mix: Mix, count: int) -> None:
    """Brings every order placed until now to where its buyer can confirm it."""
    load = _load(mix, "deliver", f"--kafka={system.kafka.bootstrap}", f"--orders={count}")
    try:
        load.begin()
        load.end()
    finally:
        load.stop()
    system.wait_until_quiet()


def _load(mix: Mix, what: str, *options: str) -> Load:
    command = [sys.executable, "-m", "bench.edge_load", what, f"--sellers={mix.sellers}", f"--buyers={mix.buyers}"]
    return Load([*command, f"--connections={CONNECTIONS}", *options])


def edge(kind: str, closed: Asked, opened: Asked) -> Iterator[Result]:
    """The figures of one kind of requests. The goal is that of the orders process, which is the edge."""
    cpu = closed.cpu_ms
    apart = closed.told["cpu_seconds"] * 1000 / closed.told["orders"]
    details = {"by_process": cpu, "load_apart": apart, "follows": FOLLOWS[kind]}
    yield Result(
        "M9", f"{kind} over HTTP: CPU a request of the orders service ({FOLLOWS[kind]})", "CPU-ms", [cpu["orders"]],
        GOAL_MS, details=details,
    )  # fmt: skip
    yield Result("M9", f"{kind} over HTTP: CPU a request, all processes", "CPU-ms", [sum(cpu.values())])
    yield Result(
        "M9", f"{kind} over HTTP: answers a second, {CONNECTIONS} connections", "requests/s", [closed.rate],
        better="higher", details={"ms": _milliseconds(closed.latencies)},
    )  # fmt: skip
    at_half = _milliseconds(opened.latencies)
    yield Result(
        "M9", f"{kind} over HTTP: p99 at half of that, from when it was due (p50 {at_half['p50']:.1f} ms)", "ms",
        [at_half["p99"]], details={"ms": at_half, "rate": closed.rate / 2, "by_process": opened.cpu_ms},
    )  # fmt: skip


def _milliseconds(latencies: Histogram) -> dict[str, float]:
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
    return {name: latencies.at(share) * 1000 for name, share in shares.items()}
