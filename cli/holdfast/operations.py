"""`holdfast operations`: payments, payouts and refunds that wait for an operator, and what an operator decides."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from shlex import quote as word
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import typer
from rich.table import Table
from rich.text import Text

from contracts.money import major_units
from holdfast.addresses import Addresses, find
from holdfast.asking import command, found, pages
from holdfast.terminal import FolderOption, JsonOption, console, fail
from holdfast.timeline import words

Json = Mapping[str, Any]

OrderArgument = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]
OperationArgument = Annotated[
    str, typer.Argument(metavar="OPERATION", help="The operation's id, as `operations list` shows it.")
]


class Waiting(NamedTuple):
    """An operation that goes on by itself no more; `since` in virtual time."""

    order_id: str
    operation_id: str
    since: datetime
    what: str
    why: str
    what_to_do: str


def list_waiting(
    order: Annotated[
        str | None, typer.Argument(metavar="[ORDER]", help="This order only, its payments to be returned included.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """What waits for an operator: the queue of escrow, or all of one order. Example: holdfast operations list"""
    addresses = find(folder)
    waiting = list(_queue(addresses) if order is None else _of_one(addresses, order))
    if as_json:
        print(json.dumps([one._asdict() for one in waiting], default=str))
        return
    if not waiting:
        console.print("no operation waits for an operator")
        return
    table = Table()
    for column in ("order", "operation", "since (UTC)", "what", "why", "what to do"):
        table.add_column(column, overflow="fold")
    for one in waiting:
        since = f"{one.since:%Y-%m-%d %H:%M}"
        table.add_row(one.order_id, one.operation_id, since, Text(one.what), Text(one.why), Text(one.what_to_do))
    console.print(table)


def retry(
    order: OrderArgument, operation: OperationArgument, folder: FolderOption = None, as_json: JsonOption = False
) -> None:
    """Send a stopped refund or payout again, under a new operation id.
    Example: holdfast operations retry ord-0001 payout-ord-0001-1-5"""
    told = command(find(folder), "escrow", f"{_operation(order, operation)}/retry", {})
    _tell(told, f"{operation} is sent again; follow it with holdfast order show {word(order)}", as_json)


def result(
    order: OrderArgument,
    operation: OperationArgument,
    succeeded: Annotated[bool, typer.Option("--succeeded", help="The money arrived.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="It did not, and will not.")] = False,
    by_bank: Annotated[
        bool, typer.Option("--by-bank", help="The refund failed, and the buyer has the money by a chargeback.")
    ] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what really became of an operation, as the provider told on paper.
    Example: holdfast operations result ord-0001 payout-ord-0001-1-5 --succeeded"""
    said = {"succeeded": succeeded, "failed": failed, "by_bank": by_bank}
    chosen = [name for name, so in said.items() if so]
    if len(chosen) != 1:
        fail("say what became of it by one of --succeeded, --failed and --by-bank")
    told = command(find(folder), "escrow", f"{_operation(order, operation)}/result", {"result": chosen[0]})
    _tell(told, f"recorded of {operation}: {words(chosen[0])}", as_json)


def return_payment(
    order: OrderArgument,
    payment: Annotated[str, typer.Argument(metavar="PAYMENT", help="As `operations list ORDER` shows it.")],
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send back once more what did not pay its order. Example: holdfast operations return ord-0001 pay-ord-0001-2"""
    path = f"/orders/{quote(order, safe='')}/returned-payment"
    told = command(find(folder), "orders", path, {"operation_id": payment})
    _tell(told, f"{payment} is sent back; follow it with holdfast order show {word(order)}", as_json)


def _operation(order: str, operation: str) -> str:
    return f"/escrow/{quote(order, safe='')}/operations/{quote(operation, safe='')}"


def _tell(told: Json, words: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told))
    else:
        console.print(Text(f"{words} ({told['note']})" if told.get("note") else words))


def _queue(addresses: Addresses) -> Iterator[Waiting]:
    for entry in pages(addresses, "escrow", "/operator-queue", "orders"):
        yield from of_escrow(entry)


def _of_one(addresses: Addresses, order: str) -> Iterator[Waiting]:
    id = quote(order, safe="")
    shown = found(addresses, "orders", f"/orders/{id}")
    if shown is None:
        fail(f"not_found: there is no order {order!r} here; check the order id")
    if escrow := found(addresses, "escrow", f"/escrow/{id}"):
        yield from of_escrow(escrow)
    yield from of_orders(shown)


def of_escrow(order: Json) -> Iterator[Waiting]:
    """What escrow asks an operator to decide of an order, as its queue or the order itself shows it."""
    known = {each["operation_id"]: each for each in order["operations"]}
    for concern in order["concerns"]:
        id = concern["operation_id"]
        about = known.get(id)
        named = f"{word(order['order_id'])} {word(id)}"
        yield Waiting(
            order["order_id"],
            id,
            datetime.fromisoformat(concern["since"]),
            f"{words(about['kind'])} of {about['amount']['text']}" if about else id,
            words(concern["code"]),
            f"ask the provider what became of it; then holdfast operations retry {named}, or "
            f"holdfast operations result {named} with what it says",
        )


def of_orders(order: Json) -> Iterator[Waiting]:
    """Money that did not pay the order and whose return has stopped."""
    for payment in order["payment"]["not_taken"]:
        if not payment["with_operator"]:
            continue
        id, amount = payment["operation_id"], payment["amount"]
        yield Waiting(
            order["order_id"],
            id,
            datetime.fromisoformat(payment["received_at"]),
            f"return of {major_units(amount['amount'], amount['currency'])} {amount['currency']}",
            words(payment["why"]),
            "ask the provider whether it has this money and has not returned it; if so, holdfast operations return "
            f"{word(order['order_id'])} {word(id)}",
        )
