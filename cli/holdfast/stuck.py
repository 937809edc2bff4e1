"""`holdfast saga stuck`: paid orders that wait longer than anybody planned, why, and what to do."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table
from rich.text import Text

from holdfast.addresses import SERVICES, Addresses, find
from holdfast.asking import pages
from holdfast.durations import duration
from holdfast.now import now_of
from holdfast.operations import of_escrow
from holdfast.terminal import FolderOption, JsonOption, console, fail
from holdfast.timeline import words


class Stuck(NamedTuple):
    """Something that goes on by itself no more: `id` is the order, or the parked key; `since` in virtual time."""

    id: str
    where: str
    since: datetime
    why: str
    what_to_do: str


def stuck(
    older: Annotated[str, typer.Option("--older", metavar="AGE", help="What waits for longer: 30m, 6h, 2d.")] = "0m",
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many are listed.")] = 100,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for an operator, is parked, or is overdue: why, and what to do. Exit code 1 if there is any.
    Example: holdfast saga stuck --older 2d"""
    if (age := duration(older)) is None:
        fail(f"{older!r} is no age, such as 30m, 6h or 2d")
    addresses = find(folder)
    before = now_of(addresses) - age
    found = sorted(islice((one for one in _all(addresses) if one.since <= before), most), key=lambda one: one.since)
    if as_json:
        print(json.dumps([one._asdict() for one in found], default=str))
    else:
        _print(found, now_of(addresses))
    if found:
        raise typer.Exit(1)


def _all(addresses: Addresses) -> Iterator[Stuck]:
    for order in pages(addresses, "escrow", "/operator-queue", "orders"):
        yield from with_operator(order)
    for order in pages(addresses, "escrow", "/overdue", "orders"):
        yield overdue(order)
    for service in SERVICES:
        for letter in pages(addresses, service, "/dead-letters", "letters"):
            if letter["status"] == "failed":
                yield parked(service, letter)


def with_operator(order: dict[str, Any]) -> Iterator[Stuck]:
    """What an operator is asked to decide."""
    for one in of_escrow(order):
        yield Stuck(one.order_id, "escrow", one.since, f"{one.what}: {one.why}", one.what_to_do)


def overdue(order: dict[str, Any]) -> Stuck:
    """A deadline that passed without an effect."""
    due = datetime.fromisoformat(order["due_at"])
    states = ", ".join(sorted({words(line["state"]) for line in order["lines"]}))
    to_do = "timers do not run: see /readyz and the log of escrow, and holdfast doctor"
    return Stuck(order["order_id"], "escrow", due, f"its deadline has passed ({states})", to_do)


def parked(service: str, letter: dict[str, Any]) -> Stuck:
    """A key that stands still behind a message that could not be handled."""
    why = f"{letter['code']}: {letter['error']}"
    to_do = f"holdfast dlq show {service}:{letter['seq']}"
    return Stuck(letter["key"], service, datetime.fromisoformat(letter["parked_at"]), why, to_do)


def _print(found: list[Stuck], now: datetime) -> None:
    if not found:
        console.print("nothing is stuck: no order waits for an operator, no key is parked, no deadline has passed")
        return
    table = Table()
    for column in ("order or key", "where", "for", "why", "what to do"):
        table.add_column(column, overflow="fold")
    for one in found:
        table.add_row(one.id, one.where, age(now - one.since), Text(one.why), Text(one.what_to_do))
    console.print(table)


def age(span: timedelta) -> str:
    """How long, in the largest unit that fits."""
    hours = span / timedelta(hours=1)
    return f"{span.days} d" if span.days else f"{int(hours)} h" if hours >= 1 else f"{int(hours * 60)} min"
