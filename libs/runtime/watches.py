"""What a service watches about itself in the background: declared by the service, which alone knows what is right.

A watch is taken every so many seconds by one replica, whichever finds that the last reading is old, and its readings
are kept in the database: all replicas tell the same, a scrape costs one small read, and a restart takes none anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

import asyncpg
import msgspec
import structlog

from runtime import census
from runtime.db import Connection

log = structlog.get_logger()

_LOCKS = 0x57617463
"""Class of the advisory locks, one a watch."""
_LONGEST = 1800.0
"""Seconds that one statement of a watch may take."""
_SOONEST_AGAIN = 5.0
_SHARE = 20
"""A watch that takes long is taken less often, so that it is at work a twentieth of the time at most."""


class Declared(NamedTuple):
    """A gauge: its name behind `holdfast_` with the unit at its end, what it says, and the names of its labels (none of
    which is an id)."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


class Reading(NamedTuple):
    """A value of a declared gauge, with the values of its labels."""

    name: str
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """Taken `every` so many seconds, or less often where it takes long. `take` gets a connection that is in no
    transaction."""

    name: str
    every: float
    gauges: Sequence[Declared]
    take: Callable[[Connection], Awaitable[Sequence[Reading]]]


class Kept(NamedTuple):
    """The last readings of a watch, and their age in seconds."""

    age: float
    readings: Sequence[Reading]


_readings = msgspec.json.Decoder(list[Reading])


async def _tidy(connection: Connection) -> Sequence[Reading]:
    await census.add_up(connection)
    return ()


TIDY_CENSUS = Watch("census", 30, (), _tidy)
"""Taken by every service."""


async def kept(connection: Connection) -> Mapping[str, Kept]:
    """The last readings of all watches, by name."""
    rows = await connection.fetch("SELECT name, extract(epoch FROM now() - taken_at), readings FROM watches", timeout=2)
    return {row[0]: Kept(float(row[1]), _readings.decode(row[2])) for row in rows}


async def run(watch: Watch, dsn: str, client: str) -> None:
    """Takes a watch whenever it is due, until cancelled. One that fails is logged, and tried again at its next turn."""
    while True:
        try:
            wait = await _turn(watch, dsn, client)
        except Exception as error:
            log.warning("watch_failed", watch=watch.name, error=type(error).__name__)
            wait = watch.every
        await asyncio.sleep(max(wait, _SOONEST_AGAIN))


async def _turn(watch: Watch, dsn: str, client: str) -> float:
    """Takes it if it is due and no other replica does so; returns the seconds until it may be due next."""
    connection = await asyncpg.connect(
        dsn, timeout=5, command_timeout=_LONGEST, server_settings={"application_name": f"{client}-watch"}
    )
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, hashtext($2))", _LOCKS, watch.name):
            return watch.every
        left = await connection.fetchval(
            "SELECT extract(epoch FROM taken_at + greatest($2, took * $3) - now()) FROM watches WHERE name = $1",
            watch.name,
            timedelta(seconds=watch.every),
            _SHARE,
        )
        if left is not None and left > 0:
            return float(left)
        began = asyncio.get_running_loop().time()
        readings = await watch.take(connection)
        await save(connection, watch, readings, asyncio.get_running_loop().time() - began)
        return watch.every
    finally:
        connection.terminate()


async def save(connection: Connection, watch: Watch, readings: Sequence[Reading], took: float) -> None:
    """Keeps the readings of a watch, which took so many seconds, in place of the last ones."""
    told: Any = msgspec.json.encode(readings).decode()
    await connection.execute(
        "INSERT INTO watches (name, taken_at, took, readings) VALUES ($1, now(), $2, $3) ON CONFLICT (name) "
        "DO UPDATE SET taken_at = excluded.taken_at, took = excluded.took, readings = excluded.readings",
        watch.name,
        timedelta(seconds=took),
        told,
    )
