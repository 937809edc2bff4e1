"""M1, M2 and M7: how many orders a second, at what cost, on one replica of each service and on several."""

from collections.abc import Collection, Iterator, Sequence
from statistics import median

from bench.measures import Setting
from bench.result import Result
from bench.system import Drain, names
from bench.systems import Ready

IDS = ("M1", "M2", "M7")
WARM_UP = 1_000
"""Orders after which new replicas have their share and their statements prepared."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """Drains a closed loop of orders, several times on one system, after a warm-up."""
    if "M1" in wanted or "M2" in wanted:
        orders = setting.orders or setting.by_length(20_000, 30_000, 200_000)
        with setting.system("throughput", orders) as ready:
            drains = measured(setting, ready, orders, setting.repeats or setting.by_length(1, 2, 3))
        if "M1" in wanted:
            yield Result("M1", "completed orders a second", "orders/s", [one.rate for one in drains], 2_000, "higher")
        if "M2" in wanted:
            yield cost(drains)
    if "M7" in wanted:
        # Servers become cheaper while they run: one replica at both ends stands for the time between. When quick, they
        # have run long before.
        yield from scaled(replicated(setting, setting.by_length((2, 1), (1, 2, 4, 1), (1, 2, 4, 1))))


def replicated(setting: Setting, numbers: Sequence[int]) -> dict[int, list[Drain]]:
    """Drains with so many replicas of each service, in this order, all on one system, which is left with the last
    number of them. A warm-up for each."""
    orders = setting.orders or setting.by_length(2_000, 5_000, 20_000)
    repeats = setting.repeats or setting.by_length(1, 1, 2)
    drains: dict[int, list[Drain]] = {}
    with setting.system("replicas", orders, warm_up=orders) as ready:
        for replicas in numbers:
            setting.say(f"{replicas} of each service")
            ready.system.scale(replicas)
            ready.system.drain(ready.mix, WARM_UP)
            drains.setdefault(replicas, []).extend(measured(setting, ready, orders, repeats))
    return drains


def scaled(drains: dict[int, list[Drain]]) -> Iterator[Result]:
    """M7: what more replicas cost on a machine that has no more cores for them, in percent of one."""

    def cpu(replicas: int) -> float:
        return median(sum(one.cpu_ms.values()) for one in drains[replicas])

    for replicas in sorted(drains.keys() - {1}):
        yield Result(
            "M7",
            f"CPU an order with {replicas} replicas of each service, beyond that with one",
            "%",
            [(cpu(replicas) / cpu(1) - 1) * 100],
            15.0,
            "lower",
            {
                "orders_a_second": {str(each): median(one.rate for one in drains[each]) for each in sorted(drains)},
                "cpu_ms": {str(each): cpu(each) for each in sorted(drains)},
            },
        )


def measured(setting: Setting, ready: Ready, orders: int, repeats: int) -> list[Drain]:
    """The drains, told as they come."""
    drains = []
    for number in range(repeats):
        one = ready.system.drain(ready.mix, orders)
        drains.append(one)
        load_ms = one.told["cpu_seconds"] * 1000 / one.orders
        parts = ", ".join(f"{name} {one.cpu_ms[name]:.3f}" for name in names(one.cpu_ms))
        setting.say(
            f"drain {number + 1} of {repeats}: {one.orders} orders, {one.rate:.0f} a second, "
            f"{sum(one.cpu_ms.values()):.3f} CPU-ms an order ({parts}), load apart {load_ms:.3f}, "
            f"{one.told['early']} steps tried again"
        )
    return drains


def cost(drains: list[Drain]) -> Result:
    """M2 of these drains, with the median of each process."""
    by_process = {name: median(one.cpu_ms[name] for one in drains) for name in names(drains[0].cpu_ms)}
    load = median(one.told["cpu_seconds"] * 1000 / one.orders for one in drains)
    return Result(
        "M2",
        "CPU a completed order, all processes",
        "CPU-ms",
        [sum(one.cpu_ms.values()) for one in drains],
        1.0,
        "lower",
        {"by_process": by_process, "load_apart": load},
    )
