"""A replay from file to report, on a stack that runs."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import httpx

from holdfast.addresses import Addresses
from holdfast.flows import flows
from holdfast.replay.driver import Driver, Progress
from holdfast.replay.reader import BadRow, Plan, later, read
from holdfast.replay.report import Report, gather
from holdfast.replay.watch import Watch

LEAD = timedelta(hours=1)
"""How long before the first order the clock starts, for sellers and buyers to be introduced."""

IDLE = 2.0
"""Seconds after which a connection is not used again: less than the five after which services close theirs, or now and
then a request would meet the end of its connection."""


def read_file(path: Path) -> tuple[list[Plan], list[BadRow]]:
    """The plans of a file and its bad rows. Raises `MissingColumns`, OSError, UnicodeDecodeError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return read(file)


def fitted(plans: Sequence[Plan], now: datetime) -> tuple[list[Plan], timedelta]:
    """The plans for a clock that shows `now`, and how much later than the file says that makes them: as a clock cannot
    go back, by so many whole days that none begins before it."""
    missing = now + LEAD - min(plan.placed_at for plan in plans)
    by = timedelta(days=max(-(-missing // timedelta(days=1)), 0))
    return [later(plan, by) for plan in plans], by


async def replay(
    addresses: Addresses, plans: Sequence[Plan], bad_rows: list[BadRow], *, strict: bool, progress: Progress
) -> Report:
    """Plays the plans and reports. The stack's virtual clock must not have passed the first order: see `fitted`."""
    started = time.monotonic()
    limits = httpx.Limits(max_keepalive_connections=40, keepalive_expiry=IDLE)
    async with httpx.AsyncClient(timeout=30, limits=limits) as http, Watch(addresses.kafka_client()) as watch:
        played = await Driver(addresses, http, watch, progress).play(plans, strict=strict)
        told = await flows(addresses.kafka_client())
        return await gather(http, addresses, plans, bad_rows, played, told, time.monotonic() - started)
