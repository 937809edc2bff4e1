"""`holdfast money`: whether the books of a running stack are right."""

import json
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console

from holdfast.addresses import find
from holdfast.asking import get
from holdfast.terminal import FolderOption, JsonOption, console, titled


def money(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """Prove the ledgers of the running stack, now. Example: holdfast money --json"""
    addresses = find(folder)
    proofs = {name: get(addresses, name, "/money/proof") for name in ("escrow", "deposits")}
    if as_json:
        print(json.dumps(proofs))
    else:
        show_proofs(proofs, console)
    if not all(proof["ok"] for proof in proofs.values()):
        raise typer.Exit(1)


def show_proofs(proofs: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """The proof of money of each ledger."""
    for service, proof in proofs.items():
        table = titled(f"Proof of money: {service}", "currency", "sum of all accounts", "where it lies (minor units)")
        for currency in proof["currencies"]:
            places = ", ".join(f"{place} {amount}" for place, amount in currency["places"].items() if amount)
            table.add_row(currency["currency"], str(currency["sum"]), places)
        console.print(table)
        if proof["ok"]:
            console.print(
                f"[green]proved[/]: {proof['transfers']} transfers over {proof['accounts']} accounts sum to zero, "
                f"every balance is the sum of its entries, every unit of {proof['orders']} orders is accounted for"
            )
        else:
            console.print(f"[red]not proved[/]: {proof['findings'][:5]}")
