"""M4: what an order costs when there are many in the tables already, how many bytes an order leaves there, and how long
an operator waits who asks.

A drain fills the tables with a thousand orders that went their whole way; what larger sizes have more are copies of
these (see `bench.preload`). Kafka keeps what was published since the start, which no copy is.
"""

import asyncio
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench import preload
from bench.measures import Setting
from bench.outside import BenchFailed
from bench.plan import Mix
from bench.preload import Sample, Size
from bench.result import Result
from bench.system import Drain, System, names
from bench.verbs import answers

IDS = ("M4",)
SAMPLE = 1_000
GOAL_PERCENT = 15.0
DISK_SHARE = 0.4
"""Of the free disk, what tables may take: the write-ahead log, Kafka and the proof's sorting need room too."""


@dataclass(frozen=True, slots=True)
class Grown:
    """Drains with so many orders in the tables: `present` before the first of them, `wal` bytes of write-ahead log an
    order of each, and the size of every table before them."""

    present: int
    drains: Sequence[Drain]
    wal: Sequence[float]
    tables: Mapping[str, Size]

    @property
    def cpu(self) -> list[float]:
        """CPU-ms an order of each drain."""
        return [sum(one.cpu_ms.values()) for one in self.drains]


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """The same drains at each size, on one system whose tables grow."""
    sizes = setting.by_length((1_000, 60_000), (1_000, 100_000), (1_000, 1_000_000, 10_000_000))
    orders = setting.orders or setting.by_length(2_000, 5_000, 20_000)
    repeats = setting.repeats or setting.by_length(1, 2, 3)
    found: list[Grown] = []
    with setting.system("growth", orders) as (system, mix):
        empty, first, copies = asyncio.run(preload.sizes(system.postgres)), system.orders, 0
        setting.say(f"{SAMPLE} orders to copy later")
        sample = sampled(system, mix)
        for size in sizes:
            present = system.orders + copies * SAMPLE
            if size > present:
                tables = asyncio.run(preload.sizes(system.postgres))
                each = total(bytes_an_order(empty, tables, present - first)).all
                more = fitting(size, present, each, _free(system)) // SAMPLE
                if more * SAMPLE < (size - present) // 2:
                    setting.say(f"the disk has no room for half of {size:,} orders")
                    break
                setting.say(f"copying until there are {present + more * SAMPLE} orders")
                asyncio.run(preload.copy(system.postgres, sample, copies, more, setting.say))
                copies += more
            found.append(measured(setting, system, mix, orders, repeats, copies * SAMPLE))
            if wrong := asyncio.run(preload.proof_findings(system.postgres)):
                raise BenchFailed("ledger_not_clean", f"the books do not add up: {'; '.join(wrong[:3])}")
        looks = setting.by_length(3, 7, 7)
        asked = list(answers(system, f"ord-{system.runs}-{0:08d}", found[-1].present, looks))
    yield from growth(found, empty, first, wanted=sizes[-1])
    yield from asked


def sampled(system: System, mix: Mix) -> Sample:
    """Orders of the system, to be copied."""
    before = asyncio.run(preload.inboxes(system.postgres))
    system.drain(mix, SAMPLE)
    after = asyncio.run(preload.inboxes(system.postgres))
    return Sample(f"ord-{system.runs}-", SAMPLE, {name: after[name] - before[name] for name in after})


def measured(setting: Setting, system: System, mix: Mix, orders: int, repeats: int, copies: int) -> Grown:
    """The drains at one size, after a checkpoint and a warm-up: pages that every order changes are then in the
    write-ahead log in full already, as they are for most of the time between two checkpoints. `copies` are the orders
    that stand in the tables without having gone their way."""
    asyncio.run(preload.checkpoint(system.postgres))
    system.drain(mix, max(orders // 2, 1_000), proved=False)
    present = system.orders + copies
    tables = asyncio.run(preload.sizes(system.postgres))
    drains, wal = [], []
    for number in range(repeats):
        before = asyncio.run(preload.wal_position(system.postgres))
        one = system.drain(mix, orders, proved=False)
        wal.append((asyncio.run(preload.wal_position(system.postgres)) - before) / orders)
        drains.append(one)
        setting.say(
            f"{present:,} orders, drain {number + 1} of {repeats}: {one.rate:.0f} a second, "
            f"{sum(one.cpu_ms.values()):.3f} CPU-ms, {wal[-1]:.0f} bytes of write-ahead log an order"
        )
    return Grown(present, drains, wal, tables)


def fitting(size: int, present: int, bytes_each: int, free: int) -> int:
    """How many orders to add to come to `size`, as far as the free disk goes."""
    return max(min(size - present, int(free * DISK_SHARE) // bytes_each), 0)


def growth(found: Sequence[Grown], empty: Mapping[str, Size], before: int, wanted: int) -> Iterator[Result]:
    """The figures of each size, and what they are beside those of the first. The goal is that of the largest, which
    says so when it is less than was `wanted`. `empty` is how large tables were with the orders `before`."""
    first, last = found[0], found[-1]
    short = "" if last.present >= wanted else f" (no disk for {wanted:,})"
    for one in found:
        by_process = {name: median(drain.cpu_ms[name] for drain in one.drains) for name in names(one.drains[0].cpu_ms)}
        yield Result(
            "M4", f"completed orders a second with {one.present:,} orders in the tables", "orders/s",
            [drain.rate for drain in one.drains], better="higher",
        )  # fmt: skip
        yield Result(
            "M4", f"CPU an order with {one.present:,} orders in the tables", "CPU-ms", one.cpu,
            details={"by_process": by_process, "wal_bytes": median(one.wal)},
        )  # fmt: skip
    for one in found[1:]:
        yield Result(
            "M4", f"CPU an order with {one.present:,} orders in the tables, beyond that with {first.present:,}"
            f"{short if one is last else ''}", "%", [(median(one.cpu) / median(first.cpu) - 1) * 100],
            GOAL_PERCENT if one is last else None,
        )  # fmt: skip
    each = bytes_an_order(empty, last.tables, last.present - before)
    whole = total(each)
    by_table = {name: {"table": size.table, "indexes": size.indexes} for name, size in each.items() if size.all > 1}
    yield Result(
        "M4", "bytes an order that has ended, in tables and indexes", "bytes", [whole.all],
        details={"tables": whole.table, "indexes": whole.indexes, "by_table": by_table, "orders": last.present},
    )  # fmt: skip
    yield Result("M4", f"write-ahead log an order with {last.present:,} orders in the tables", "bytes", last.wal)


def bytes_an_order(empty: Mapping[str, Size], tables: Mapping[str, Size], orders: int) -> dict[str, Size]:
    """What tables hold beyond what they held before, for each of the orders that came since."""
    return {
        name: Size((size.table - empty[name].table) // orders, (size.indexes - empty[name].indexes) // orders)
        for name, size in tables.items()
    }


def total(sizes: Mapping[str, Size]) -> Size:
    """All of them together."""
    return sum(sizes.values(), Size(0, 0))


def _free(system: System) -> int:
    return shutil.disk_usage(system.postgres.home).free
