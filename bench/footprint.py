"""What a running system holds over time: the sizes of its tables and indexes, their rows, dead ones too, and the memory
of its processes."""

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg
import psutil  # type: ignore[import-untyped]

from bench import meter
from bench.system import System

KEPT_ROWS = 1_000
"""A table with fewer rows is a queue: it keeps nothing, and all of its growth is too much."""


@dataclass(frozen=True, slots=True)
class Table:
    """Bytes of the rows and of the indexes, rows that live (inserted less deleted), dead rows not yet cleared away."""

    heap: int
    indexes: int
    rows: int
    dead: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The system at `at` (seconds since the load began): memory in bytes by process, tables by `database.table`."""

    at: float
    memory: Mapping[str, int]
    tables: Mapping[str, Table]

    @property
    def dead(self) -> int:
        return sum(one.dead for one in self.tables.values())


class Watcher:
    """Takes a footprint every `interval` seconds, in a thread of its own, until it is ended."""

    def __init__(self, system: System, interval: float) -> None:
        self._system, self._interval = system, interval
        self._over = threading.Event()
        self._found: list[Footprint] = []
        self._fault: Exception | None = None
        self._thread = threading.Thread(target=self._watch)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> list[Footprint]:
        """What was seen. Raises what kept it from looking."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._fault:
            raise self._fault
        return self._found

    def _watch(self) -> None:
        began = time.monotonic()
        try:
            while not self._over.is_set():
                tables = asyncio.run(_tables(self._system))
                self._found.append(Footprint(time.monotonic() - began, _memory(self._system), tables))
                self._over.wait(began + len(self._found) * self._interval - time.monotonic())
        except Exception as error:
            self._fault = error


async def _tables(system: System) -> dict[str, Table]:
    found: dict[str, Table] = {}
    for database in system.databases:
        connection = await asyncpg.connect(system.postgres.dsn(database))
        try:
            found |= {f"{database}.{row[0]}": Table(*row[1:]) for row in await connection.fetch(_TABLES)}
        finally:
            await connection.close()
    return found


_TABLES = """
    SELECT relname, pg_table_size(relid), pg_indexes_size(relid), n_tup_ins - n_tup_del, n_dead_tup
    FROM pg_stat_user_tables
"""


def _memory(system: System) -> dict[str, int]:
    """A service's resident bytes, shared pages included; of the servers, which are many processes that share much, each
    page once."""
    roots = system.roots()
    services = {name: sum(psutil.Process(pid).memory_info().rss for pid in roots[name]) for name in system.services}
    servers = meter.resident({name: roots[name] for name in roots if name not in services})
    return {**services, **servers}


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes that were added to a table or its indexes: for rows that stay, and beyond them."""

    kept: float
    beyond: float


def growths(middle: Footprint, end: Footprint) -> dict[str, Growth]:
    """What grew from `middle` to `end`, by table and by `TABLE indexes`. A row that stays may take as much space as one
    took on average until `middle`."""
    found = {}
    for name, now in end.tables.items():
        then = middle.tables.get(name, Table(0, 0, 0, 0))
        rows = (now.rows - then.rows) / then.rows if then.rows >= KEPT_ROWS else 0.0
        for what, before, after in ((name, then.heap, now.heap), (f"{name} indexes", then.indexes, now.indexes)):
            kept = before * rows
            found[what] = Growth(kept, after - before - kept)
    return found


def per_hour(points: Iterable[tuple[float, float]]) -> float:
    """The slope of (seconds, amount), by least squares, as an amount an hour; 0 for fewer than two points."""
    points = list(points)
    if len(points) < 2:
        return 0.0
    mid_x, mid_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mid_x) ** 2 for x, _ in points)
    return sum((x - mid_x) * (y - mid_y) for x, y in points) / spread * 3600 if spread else 0.0


def later_half(found: Sequence[Footprint]) -> list[Footprint]:
    """The footprints of the second half of the time: by then caches are full and pools have their size."""
    return [one for one in found if one.at >= found[-1].at / 2]
