"""`holdfast flows`: what runs through the topics."""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from holdfast.addresses import Addresses, find
from holdfast.asking import get
from holdfast.flows import Flow, flows
from holdfast.interrupts import run
from holdfast.observed import SAMPLE, Compared, compared, declared, existing, sampled
from holdfast.terminal import FolderOption, JsonOption, console, fail

EVERY = 2.0
"""Seconds between two looks."""


def show_flows(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    observed: Annotated[
        bool, typer.Option("--observed", help=f"Read the last {SAMPLE} messages of each partition: who says what.")
    ] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Topics: who writes and reads, how much, and what lies in between, in messages and in seconds of real time.
    Example: holdfast flows --watch"""
    if watch and as_json:
        fail("--watch is for people and --json for programs; ask again and again instead")
    addresses = find(folder)
    if watch:
        with Live(_look(addresses, observed), console=console, auto_refresh=False) as live:
            while True:
                time.sleep(EVERY)
                live.update(_look(addresses, observed), refresh=True)
    told, found = _asked(addresses, observed)
    if as_json:
        document = {"flows": [flow._asdict() for flow in told], "parked": parked(addresses)}
        print(json.dumps(document | (asdict(found) if found else {})))
    else:
        console.print(_page(addresses, told, found))


def _look(addresses: Addresses, observed: bool) -> RenderableType:
    return _page(addresses, *_asked(addresses, observed))


def _page(addresses: Addresses, told: list[Flow], found: Compared | None) -> RenderableType:
    letters = ", ".join(f"{service} {number}" for service, number in parked(addresses).items())
    last = f"parked messages: {letters}; see them with holdfast dlq list" if letters else "no message is parked"
    return Group(drawn(told, found), Text(last))


def parked(addresses: Addresses) -> dict[str, int]:
    """Open dead letters by service, where there are any; 500 stands for as many or more."""
    numbers = {
        service: len(get(addresses, service, "/dead-letters?limit=500")["letters"]) for service in addresses.services
    }
    return {service: number for service, number in numbers.items() if number}


def _asked(addresses: Addresses, observed: bool) -> tuple[list[Flow], Compared | None]:
    async def ask() -> tuple[list[Flow], Compared | None]:
        client = addresses.kafka_client()
        told = await flows(client)
        if not observed:
            return told, None
        seen, topics = await asyncio.gather(sampled(client, told), existing(client))
        return told, compared(declared(), seen, told, topics)

    return run(ask())


def drawn(told: list[Flow], found: Compared | None) -> RenderableType:
    """Flows as a table, and what was found when messages were looked at."""
    roles = declared()
    table = Table(title="Topics", title_justify="left", title_style="bold")
    for column in ("topic", "written by", "messages", "a second", "read by (lag, seconds behind)"):
        table.add_column(column, overflow="fold", justify="right" if column in ("messages", "a second") else "left")
    for flow in told:
        readers = ", ".join(_reader(flow, group) for group in sorted(roles[flow.topic].readers | set(flow.lag)))
        table.add_row(
            flow.topic, ", ".join(sorted(roles[flow.topic].writers)), str(flow.produced), f"{flow.a_second:g}", readers
        )
    return Group(table, *_findings(found)) if found else table


def _reader(flow: Flow, group: str) -> str:
    if group not in flow.lag:
        return f"{group} (nothing yet)"
    behind = f", {flow.behind[group]:.1f} s" if group in flow.behind else ""
    return f"{group} ({flow.lag[group]}{behind})"


def _findings(found: Compared) -> list[Text]:
    lines = [Text(f"of the last {SAMPLE} messages of each partition:")]
    lines += [Text("declared but silent:" if found.silent else "everything declared was seen", style="bold")]
    lines += [Text(f"  {topic}: {', '.join(types)}") for topic, types in found.silent.items()]
    lines.append(Text("observed but undeclared:" if found.undeclared else "nothing undeclared was seen", style="bold"))
    return lines + [Text(f"  {one}") for one in found.undeclared]
