"""`holdfast dlq`: dead letters, seen and moved."""

import json
import re
from typing import Annotated
from urllib.parse import quote

import typer

from holdfast import letters
from holdfast.addresses import find
from holdfast.asking import get, post
from holdfast.terminal import FolderOption, JsonOption, console, fail

ServiceArgument = Annotated[str, typer.Argument(help="orders, escrow, deposits, disputes, identity …")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is kept.")]

PAGE = 500


def list_letters(folder: FolderOption = None, as_json: JsonOption = False) -> None:
    """What is parked, by service and key. Example: holdfast dlq list"""
    addresses = find(folder)
    found = []
    for service in addresses.services:
        after = 0
        while page := get(addresses, service, f"/dead-letters?after={after}&limit={PAGE}")["letters"]:
            found += [{"id": f"{service}:{letter['seq']}", "service": service, **letter} for letter in page]
            after = page[-1]["seq"]
    if as_json:
        print(json.dumps(found))
        return
    for letter in found:
        console.print(
            f"{letter['id']:14} key {letter['key']}  {letter['status']}  {letters.place(letter)}  "
            f"{letter['code']}: {letter['error']}",
            markup=False,
        )
    console.print(f"{len(found)} parked messages" + ("; look at one: holdfast dlq show ID" if found else ""))


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="As `dlq list` shows it: SERVICE:NUMBER.")],
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """One letter, whole: the message, its place, the error, what to do. Example: holdfast dlq show escrow:7"""
    if not (parts := re.fullmatch(r"([a-z]+):([0-9]{1,18})", id)):
        fail(f"{id!r} is not the id of a letter, such as escrow:7; `holdfast dlq list` shows those that are parked")
    service, number = parts.groups()
    letter = get(find(folder), service, f"/dead-letters/{number}")
    if as_json:
        told = {"id": id, "service": service, **letter, "what_to_do": letters.what_to_do(service, letter)}
        print(json.dumps(told))
    else:
        letters.show(service, letter, console)


def replay(
    service: ServiceArgument,
    key: str,
    reason: ReasonOption,
    do: Annotated[bool, typer.Option("--do", help="Really do it; else only what would happen is shown.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Handle a parked key's messages again, in order: a dry run unless --do.
    Example: holdfast dlq replay escrow ord-0001 --reason "fixed in 1.2" --do"""
    body = {"reason": reason, "dry_run": not do}
    told = post(find(folder), service, f"/dead-letters/{quote(key, safe='')}/replay", body)
    if as_json:
        print(json.dumps(told))
        return
    for letter in told["letters"]:
        console.print(f"letter {letter['seq']}: {letter}", markup=False)
    console.print(f"{'dry run: ' if told['dry_run'] else ''}{told['left']} left parked")


def discard(
    service: ServiceArgument,
    key: str,
    letter: Annotated[int, typer.Argument(help="Number of the key's first letter, as `dlq list` shows it.")],
    reason: ReasonOption,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give up a key's first message for good. Example: holdfast dlq discard escrow ord-0001 7 --reason "was a test" """
    body = {"reason": reason, "seq": letter}
    told = post(find(folder), service, f"/dead-letters/{quote(key, safe='')}/discard", body)
    if as_json:
        print(json.dumps(told))
    else:
        console.print(f"discarded; {told['left']} left behind it, replay them")
