"""`holdfast reconcile`: the provider's daily statements against the books of escrow and deposits."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.money import major_units
from contracts.statement import Statement
from holdfast.addresses import Addresses, find
from holdfast.asking import get, post
from holdfast.now import now_of
from holdfast.terminal import FolderOption, JsonOption, console, fail

BOOKS = ("escrow", "deposits")
UNKNOWN = "unknown_reference"
UNPAIRED = frozenset({"missing_in_statement", "missing_in_book", UNKNOWN})
"""What may find its other half in another day's statement."""

MOST_DAYS = 366
LISTED = 200

Result = Mapping[str, Any]


class Day(NamedTuple):
    """One day of one provider over all books: what they agree on, JSON-able. `differences` bear the book's name;
    `totals` are by currency, in minor units."""

    provider: str
    day: str
    entries: int
    movements: int
    causes: Mapping[str, int]
    totals: Sequence[Mapping[str, Any]]
    differences: Sequence[Mapping[str, Any]]

    @property
    def clean(self) -> bool:
        return not self.differences


def reconcile(
    day: Annotated[
        str | None, typer.Option("--day", metavar="D", help="Such as 2026-03-14; yesterday if none.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", metavar="D", help="First day of several.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="D", help="Last day of several.")] = None,
    statement: Annotated[
        Path | None, typer.Option("--statement", metavar="FILE", help="A statement as JSON, instead of the provider's.")
    ] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the provider's daily statements with the books. Exit code 0 without a difference, 1 with, 2 not done.
    Example: holdfast reconcile --from 2026-03-01 --to 2026-03-14 --json"""
    if (statement and (day or first or last)) or (day and (first or last)) or bool(first) != bool(last):
        fail("say --day D, or --from D --to D, or --statement FILE; none of them is yesterday")
    addresses = find(folder)
    if statement:
        statements = [_read(statement)]
    else:
        yesterday = now_of(addresses).astimezone(UTC).date() - timedelta(days=1)
        days = list(_days(first, last) if first and last else [_day(day) if day else yesterday])
        statements = [get(addresses, "payments", f"/statements/{each.isoformat()}") for each in days]
    compared = [_compare(addresses, each) for each in statements]
    if len(compared) > 1:
        # A day may be missing what stands in a later one's statement, which is known only now.
        compared = [
            _compare(addresses, stated) if UNPAIRED & one.causes.keys() else one
            for stated, one in zip(statements, compared, strict=True)
        ]
    if as_json:
        days_told = [{**one._asdict(), "clean": one.clean} for one in compared]
        print(json.dumps({"clean": all(one.clean for one in compared), "days": days_told}))
    else:
        show(compared, console)
    if not all(one.clean for one in compared):
        raise typer.Exit(1)


def together(results: Mapping[str, Result]) -> Day:
    """One day out of what each book told of the same statement. A reference is unknown only if every book says so: in
    each the entries of the others are unknown."""
    some = next(iter(results.values()))
    said = [
        Counter(_identity(each) for each in one["differences"] if each["cause"] == UNKNOWN) for one in results.values()
    ]
    strangers = said[0]
    for others in said[1:]:
        strangers = strangers & others
    left = Counter(strangers)
    found: list[Mapping[str, Any]] = []
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for book, one in results.items():
        for each in one["differences"]:
            if each["cause"] != UNKNOWN:
                found.append({"book": book, **each})
            elif left[_identity(each)]:
                left[_identity(each)] -= 1
                found.append({"book": None, **each})
                incoming = each["kind"] in ("payment", "chargeback_reversal")
                stated = each["stated"]
                sums[stated["currency"]].update(stated=stated["amount"] if incoming else -stated["amount"], entries=1)
        for total in one["totals"]:
            numbers = {name: total[name] for name in ("stated", "booked", "entries", "movements")}
            sums[total["currency"]].update(numbers)
    totals = [
        {
            "currency": currency,
            **{name: sums[currency][name] for name in ("stated", "booked", "entries", "movements")},
            "difference": sums[currency]["stated"] - sums[currency]["booked"],
        }
        for currency in sorted(sums)
    ]
    movements = sum(one["movements"] for one in results.values())
    causes = Counter(each["cause"] for each in found)
    return Day(some["provider"], some["day"], some["entries"], movements, dict(sorted(causes.items())), totals, found)


def show(days: Sequence[Day], console: Console) -> None:
    """Differences with what to do, then totals by currency."""
    found = [(one.day, each) for one in days for each in one.differences]
    if found:
        console.print(_differences(found[:LISTED]))
        if len(found) > LISTED:
            console.print(f"and {len(found) - LISTED} more; --json has all of them")
        for cause, what in {each["cause"]: each["what_to_do"] for _, each in found}.items():
            console.print(f"[bold]{cause}[/]: {what}", highlight=False, soft_wrap=True)
    console.print(_totals(days))
    entries, movements = sum(one.entries for one in days), sum(one.movements for one in days)
    many = f"{len(found)} difference{'' if len(found) == 1 else 's'}" if found else "[green]no difference[/]"
    span = days[0].day if len(days) == 1 else f"{days[0].day} to {days[-1].day}"
    console.print(f"{span}: {entries} entries, {movements} movements in the books, {many}", highlight=False)


def _differences(found: Sequence[tuple[str, Mapping[str, Any]]]) -> Table:
    table = Table(title="Differences", title_justify="left", title_style="bold")
    for column in ("day", "cause", "kind", "reference", "operation", "book"):
        table.add_column(column, overflow="fold")
    for column in ("stated", "booked"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("seen", overflow="fold")
    for day, each in found:
        amounts = ((each[side] or {}).get("text", "–") for side in ("stated", "booked"))
        names = (each["reference"], each["operation_id"] or "–", each["book"] or "none")
        texts = (day, each["cause"], each["kind"], *names, *amounts, _seen(each))
        table.add_row(*(Text(text) for text in texts))
    return table


def _seen(each: Mapping[str, Any]) -> str:
    if each["since"]:
        return f"asked {each['since'][:16]}"
    if each["cause"] == "booked_on_another_day":
        return f"stated {each['stated_at'][:10]}, booked {each['booked_at'][:10]}"
    return str(each["stated_at"] or each["booked_at"])[:16]


def _totals(days: Sequence[Day]) -> Table:
    table = Table(title="Totals, in less out", title_justify="left", title_style="bold")
    table.add_column("currency")
    for column in ("stated", "booked", "difference", "entries", "movements"):
        table.add_column(column, justify="right", no_wrap=True)
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for one in days:
        for total in one.totals:
            sums[total["currency"]].update({name: value for name, value in total.items() if name != "currency"})
    for currency, numbers in sorted(sums.items()):
        amounts = (major_units(numbers[name], currency) for name in ("stated", "booked", "difference"))
        table.add_row(currency, *amounts, str(numbers["entries"]), str(numbers["movements"]))
    return table


def _compare(addresses: Addresses, stated: dict[str, Any]) -> Day:
    return together({book: _result(addresses, book, stated) for book in BOOKS})


def _result(addresses: Addresses, book: str, stated: dict[str, Any]) -> Result:
    """The book's answer with all pages of its differences."""
    told: dict[str, Any] = post(addresses, book, "/reconciliations", stated)
    after = told["next"]
    while after is not None:
        path = f"/reconciliations/{told['day']}?provider={quote(told['provider'], safe='')}&after={after}"
        page = get(addresses, book, path)
        told["differences"] += page["differences"]
        after = page["next"]
    return told


def _identity(each: Mapping[str, Any]) -> tuple[Any, ...]:
    stated = each["stated"]
    names = each["kind"], each["operation_id"], each["reference"]
    return (*names, stated["amount"], stated["currency"], each["stated_at"])


def _read(file: Path) -> dict[str, Any]:
    try:
        stated = Statement.model_validate_json(file.read_bytes())
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        fail(f"{file} is no statement: {where}: {first['msg']} ({error.error_count()} errors)")
    told: dict[str, Any] = stated.model_dump(mode="json")
    return told


def _days(first: str, last: str) -> Iterator[date]:
    begin, end = _day(first), _day(last)
    if not begin <= end < begin + timedelta(days=MOST_DAYS):
        fail(f"--from {first} --to {last}: the last day comes after the first, and within {MOST_DAYS} days")
    return (begin + timedelta(days=number) for number in range((end - begin).days + 1))


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        fail(f"{text!r} is no day such as 2026-03-14")
