"""`holdfast order`: one order, over all services."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.addresses import SERVICES, Addresses, find
from holdfast.asking import PLAIN, operator, said, silent
from holdfast.interrupts import run
from holdfast.now import now_of
from holdfast.terminal import FolderOption, JsonOption, console, errors, fail
from holdfast.timeline import Step, Told, holdings, steps, timeline, why_waiting
from holdfast.token import actor_of

WITHIN = 10.0
"""Seconds for all answers."""


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The order's id.")],
    viewer: Annotated[
        str | None, typer.Option("--as", metavar="ROLE:ID", help="As this viewer sees it, such as seller:s-1.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """What happened when, where the money is, why it waits, and what each may do next.
    Example: holdfast order show ord-0001"""
    addresses = find(folder)
    caller = _caller(addresses, viewer)
    told, views = run(_ask(addresses, id, caller, everyone=viewer is None))
    now = now_of(addresses)
    if as_json:
        print(json.dumps(_as_json(told, views, now), default=str))
    else:
        _print(told, views, now, console)
    for service, why in told.silent.items():
        errors.print(f"{service} did not answer, so its part is missing: {why}", markup=False)


def _caller(addresses: Addresses, viewer: str | None) -> dict[str, str]:
    if viewer is None:
        return operator(addresses)
    roles, id = actor_of(viewer)
    if len(roles) != 1:
        fail("--as takes one role")
    return addresses.minter().bearer(roles[0], id)


async def _ask(
    addresses: Addresses, id: str, caller: dict[str, str], *, everyone: bool
) -> tuple[Told, dict[str, list[Step]]]:
    """What is known of the order, and what each viewer may do: both parties, mediators and operators, or the one who
    asks."""
    async with httpx.AsyncClient(timeout=WITHIN, trust_env=False, verify=PLAIN) as http:
        asked = Asked(http, addresses)
        order = await asked.get("orders", f"/orders/{quote(id, safe='')}", caller, needed=True)
        path = quote(id, safe="")
        escrow, money, disputes, *letters = await asyncio.gather(
            asked.get("escrow", f"/escrow/{path}", caller),
            asked.get("escrow", f"/money/orders/{path}", caller),
            _cases(asked, path, caller),
            *(_letters(asked, service, path, caller) for service in SERVICES if everyone),
        )
        buyer, seller = order.get("buyer_id"), order["seller_id"]
        account, deposit = await asyncio.gather(
            asked.get("identity", f"/accounts/{quote(buyer, safe='')}", caller) if buyer else _nothing(),
            asked.get("deposits", f"/deposits/{quote(seller, safe='')}", caller) if everyone else _nothing(),
        )
        told = Told(
            order, escrow, money, disputes, account, deposit,
            {service: found for service, found in zip(SERVICES, letters, strict=False) if found}, asked.silent,
        )  # fmt: skip
        if not everyone:
            return told, {"you": steps(order, disputes)}
        minter = addresses.minter()
        viewers = {
            "buyer": minter.bearer("buyer", buyer),
            "seller": minter.bearer("seller", seller),
            "mediator": minter.bearer("mediator", "holdfast"),
            "operator": caller,
        }
        found = await asyncio.gather(*(_steps(asked, path, disputes, headers) for headers in viewers.values()))
        return told, dict(zip(viewers, found, strict=True))


async def _cases(asked: "Asked", path: str, caller: dict[str, str]) -> list[Any]:
    listed = await asked.get("disputes", f"/disputes?order_id={path}", caller)
    ids = [case["dispute_id"] for case in (listed or {}).get("disputes", ())]
    cases = await asyncio.gather(*(asked.get("disputes", f"/disputes/{id}", caller) for id in ids))
    return [case for case in cases if case]


async def _letters(asked: "Asked", service: str, path: str, caller: dict[str, str]) -> list[Any]:
    return list((await asked.get(service, f"/dead-letters?key={path}", caller) or {}).get("letters", ()))


async def _steps(asked: "Asked", path: str, disputes: list[Any], headers: dict[str, str]) -> list[Step]:
    order, *cases = await asyncio.gather(
        asked.get("orders", f"/orders/{path}", headers),
        *(asked.get("disputes", f"/disputes/{case['dispute_id']}", headers) for case in disputes),
    )
    return steps(order or {"next": ()}, [case for case in cases if case])


async def _nothing() -> None:
    return None


class Asked:
    """Answers of services. One that cannot be reached, or has a fault, is `silent`; what is not there, or not for this
    caller, is None."""

    def __init__(self, http: httpx.AsyncClient, addresses: Addresses) -> None:
        self._http, self._addresses = http, addresses
        self.silent: dict[str, str] = {}

    async def get(self, service: str, path: str, headers: dict[str, str], *, needed: bool = False) -> Any:
        """The JSON of an answer; without it the verb fails where it is `needed`."""
        try:
            answer = await self._http.get(f"{self._addresses.services[service]}{path}", headers=headers)
        except httpx.HTTPError as error:
            if needed:
                silent(self._addresses, service, error)
            self.silent[service] = repr(error)
            return None
        if needed or answer.is_success:
            return said(answer)
        if answer.status_code not in (403, 404):
            self.silent[service] = f"status {answer.status_code}"
        return None


def _as_json(told: Told, views: Mapping[str, list[Step]], now: datetime) -> dict[str, Any]:
    return {
        "now": now.isoformat(),
        "waiting": why_waiting(told, now),
        "next": {viewer: [step._asdict() for step in some] for viewer, some in views.items()},
        "timeline": [entry._asdict() for entry in timeline(told)],
        **asdict(told),
    }


def _print(told: Told, views: Mapping[str, list[Step]], now: datetime, console: Console) -> None:
    order = told.order
    parties = f"buyer {order['buyer_id']}, " if order.get("buyer_id") else ""
    console.print(Text(f"Order {told.id}: {order['state']}, {parties}seller {order['seller_id']}", style="bold"))
    console.print(Text(why_waiting(told, now)))
    table = Table(title="What happened", title_justify="left", title_style="bold")
    for column in ("when (UTC)", "where", "what"):
        table.add_column(column, overflow="fold", no_wrap=column != "what")
    for entry in timeline(told):
        table.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.service, Text(entry.what))
    console.print(table)
    if parts := holdings(told.money):
        console.print(Text("Where the money is", style="bold"))
        for part in parts:
            console.print(Text(f"  {part}"))
    table = Table(title="Next", title_justify="left", title_style="bold")
    for column in ("who", "may", "until (UTC)", "on silence"):
        table.add_column(column)
    for viewer, some in views.items():
        for step in some:
            about = "" if step.about == "order" else f" ({step.about})"
            until = f"{step.until:%Y-%m-%d %H:%M}" if step.until else ""
            table.add_row(viewer, Text(f"{step.action}{about}"), until, step.on_silence)
    console.print(table if table.row_count else Text("Nobody has anything to do."))
