"""`holdfast clock`: the virtual clock of a running stack, seen and moved."""

import json
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from holdfast.addresses import find
from holdfast.clockwork import Clockwork
from holdfast.durations import duration
from holdfast.interrupts import run
from holdfast.now import now_of
from holdfast.terminal import FolderOption, JsonOption, console, fail


def show(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """What time it is in the stack. Example: holdfast clock show"""
    addresses = find(folder)
    kind, shown = addresses.clock.partition(":")[0], now_of(addresses).isoformat()
    if as_json:
        print(json.dumps({"clock": kind, "now": shown}))
    else:
        console.print(shown if kind == "virtual" else "the real clock")


def advance(
    moment: Annotated[str, typer.Argument(help="Days such as 10d, hours such as 6h, or an ISO 8601 time.")],
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move the clock forward, firing what falls due on the way, in order. Example: holdfast clock advance 10d"""
    addresses = find(folder)

    async def moved() -> datetime:
        with closing(Clockwork(addresses)) as clockwork:
            await clockwork.advance_to(_moment(moment, clockwork.clock.now()))
            await clockwork.settle()
            return clockwork.clock.now()

    shown = run(moved()).isoformat()
    if as_json:
        print(json.dumps({"clock": "virtual", "now": shown}))
    else:
        console.print(shown)


def _moment(text: str, now: datetime) -> datetime:
    try:
        after = duration(text)
        moment = now + after if after else datetime.fromisoformat(text)
    except OverflowError:
        fail(f"{text!r} lies behind the end of the calendar")
    except ValueError:
        fail(f"{text!r} is neither days (10d), hours (6h), minutes (5m) nor an ISO 8601 time")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment < now:
        fail(f"the clock shows {now.isoformat()} and cannot go back")
    return moment
