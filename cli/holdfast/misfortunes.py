"""What went wrong in the outside world of a stack, as the simulators tell: for the report of a replay with faults."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from holdfast.addresses import SIMULATORS, Addresses
from simulators.carrier.journey import FAULTS as PARCEL_FAULTS
from simulators.faults import WORDS, parse
from simulators.forgeries import FORGERIES


def settings_of(spec: str) -> dict[str, str]:
    """The settings of a stack in which this goes wrong: each simulator gets the words that are its own, and what
    stands for all of them. Raises `UnknownFault`."""
    parse(spec, {**PARCEL_FAULTS, **WORDS})
    words = [word.strip() for word in spec.split(",") if word.strip()]

    def of(known: Iterable[str]) -> str:
        return ",".join(word for word in words if word.partition("=")[0] in {"all", "seed", *known})

    return {"HOLDFAST_FAULTS": of(WORDS), "HOLDFAST_CARRIER_FAULTS": of(PARCEL_FAULTS)}


def misfortunes(addresses: Addresses) -> dict[str, Any]:
    """`operations`: how many met each fault; `statements`: how many differences of each kind were planted; `webhooks`:
    how many went out, how often each mischief was done, and what calls of the provider came to; `forgeries_refused` and
    `forgeries_accepted` by kind. Raises httpx.HTTPError."""
    operations: Counter[str] = Counter()
    statements: Counter[str] = Counter()
    webhooks: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for name in SIMULATORS:
        answer = httpx.get(f"{addresses.services[name]}/faults", timeout=30)
        if answer.status_code == 404:  # a simulator without faults of its own
            continue
        told = answer.raise_for_status().json()
        operations.update(told["operations"])
        statements.update(told.get("statements", {}))
        webhooks.update(told["webhooks"]["sent"])
        refused.update(told["webhooks"]["forgeries_refused"])
        accepted.update(told["webhooks"]["forgeries_accepted"])
    return {
        "operations": dict(operations),
        "statements": dict(statements),
        "webhooks": dict(webhooks),
        "forgeries_refused": dict(refused),
        "forgeries_accepted": dict(accepted),
    }


def show_misfortunes(told: Mapping[str, Any], with_operator: int, console: Console) -> None:
    """As a table for people, and in a line each what became of the forgeries and of what went wrong for good."""
    table = Table(title="What the simulators did wrong", title_justify="left", title_style="bold")
    for column in ("fault", "times", "what it means"):
        table.add_column(column)
    for word, times in sorted(told["operations"].items()):
        table.add_row(word.replace("_", " "), str(times), WORDS.get(word, ""))
    for word in ("duplicated", "reordered"):
        if times := told["webhooks"].get(word):
            table.add_row(f"{word} webhooks", str(times), f"of {told['webhooks'].get('sent', 0)} that were sent")
    for word, times in sorted(told["statements"].items()):
        table.add_row(f"statements: {word.replace('_', ' ')}", str(times), WORDS.get(word, ""))
    if times := told["webhooks"].get("calls_unanswered"):
        looked_up = told["webhooks"].get("calls_looked_up", 0)
        table.add_row("calls without answer", str(times), f"of which {looked_up} were found out by looking them up")
    console.print(table)
    if with_operator:
        console.print(f"{with_operator} orders wait in the operators' queue: what failed for good is for people")
    kinds = ", ".join(f"{kind} {told['webhooks'].get(kind, 0)}" for kind in FORGERIES)
    sent = sum(told["webhooks"].get(kind, 0) for kind in FORGERIES)
    if told["forgeries_accepted"]:
        console.print(f"[red]forged webhooks were believed:[/] {told['forgeries_accepted']}")
    elif sent:
        console.print(f"[green]{sent} forged webhooks refused[/]: {kinds}")
