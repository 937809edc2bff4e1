"""Providers' statements against the book in PostgreSQL: compared in a few set-based queries, and every result kept.

A day is read from the transfers themselves: what passed a clearing account came from or went to the provider.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
from pydantic import ValidationError

from contracts.money import Money, major_units
from contracts.statement import EntryKind, Statement, StatementEntry
from ledger.reconciliation import (
    WHAT_TO_DO,
    Asked,
    Booked,
    Cause,
    Difference,
    Movement,
    differences,
    totals,
    unmatched,
)

PAGE_LIMIT = 1000
MAX_STATEMENT_BYTES = 64 * 1024 * 1024
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9000, 1, 1)
"""Days that a statement may be of."""


@dataclass(frozen=True, slots=True)
class BookOf:
    """What is a service's own about its book. `clearing`: the owner of its clearing accounts. `table`: its aggregates,
    whose ids are what entries refer to. `operation_of(transfer id, reference)` reads the operation out of a transfer's
    id, None where it names none. `asked(state as JSON)`: the aggregate's operations without an answer. `of_orders`:
    whether payments of orders are its own."""

    clearing: str
    table: str
    operation_of: Callable[[str, str], str | None]
    asked: Callable[[str], Iterable[Asked]]
    of_orders: bool


# Lines of one payment are separate transfers of one cause.
_MOVED = """
SELECT kind, order_id, sum(amount)::bigint AS amount, currency, min(at) AS at, min(id) AS id
FROM (
    SELECT id, order_id, cause, amount, at, right(debit, 3) AS currency,
        CASE
            WHEN starts_with(debit, $1) AND starts_with(credit, 'chargeback:') THEN 'chargeback_reversal'
            WHEN starts_with(debit, $1) THEN 'payment'
            WHEN starts_with(debit, 'chargeback:') THEN 'chargeback'
            WHEN starts_with(debit, 'refund_transit:') OR starts_with(debit, 'hold:') THEN 'refund'
            ELSE 'payout'
        END AS kind
    FROM ledger_transfers
    WHERE (starts_with(debit, $1) OR starts_with(credit, $1)) AND {chosen}
) AS moved
GROUP BY kind, order_id, currency, CASE WHEN kind = 'payment' THEN cause ELSE id END
ORDER BY at, id
"""
_MOVED_ON = _MOVED.format(chosen="at >= $2 AND at < $3")
_MOVED_OF = _MOVED.format(chosen="order_id = ANY ($2::text[]) AND NOT (at >= $3 AND at < $4)")

# A payout waits as a hold under its own id; a refund since its money left the line.
_SINCE = """
SELECT id, at FROM ledger_holds WHERE id = ANY ($1::text[])
UNION ALL
SELECT order_id, max(at) FROM ledger_transfers
WHERE order_id = ANY ($2::text[]) AND starts_with(credit, 'refund_transit:')
GROUP BY order_id
"""

_LATEST = """
SELECT DISTINCT ON (provider, day) * FROM reconciliations WHERE provider = $1 AND day = $2
ORDER BY provider, day, revision DESC
"""

_HISTORY = """
SELECT revision, statement, made_at, made_by, causes FROM reconciliations
WHERE provider = $1 AND day = $2 ORDER BY revision
"""

_PAGE = """
SELECT * FROM reconciliation_differences
WHERE provider = $1 AND day = $2 AND revision = $3 AND position > $4
ORDER BY position LIMIT $5
"""

_DAYS = "SELECT day, max(revision) AS revision FROM reconciliations WHERE provider = $1 AND day <> $2 GROUP BY day"

# What other days could not pair, for a pair across two days.
_OPEN = f"""
SELECT difference.*
FROM reconciliation_differences AS difference
JOIN ({_DAYS}) AS latest USING (day, revision)
WHERE difference.provider = $1 AND reference = ANY ($3::text[])
    AND (stated IS NULL OR booked IS NULL OR cause = '{Cause.BOOKED_ON_ANOTHER_DAY}')
ORDER BY day, position
"""

_INSERT = """
INSERT INTO reconciliations
    (provider, day, revision, statement, closed_at, made_at, made_by, entries, movements, result, totals, causes)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""

_UNBOOKED = frozenset({
    Cause.MISSING_IN_BOOK, Cause.UNKNOWN_REFERENCE, Cause.SURPLUS_RECEIVED, Cause.SURPLUS_RETURNED,
})  # fmt: skip

_COLUMNS = (
    "provider", "day", "revision", "position", "cause", "kind", "reference", "operation_id",
    "stated", "stated_currency", "stated_at", "booked", "booked_currency", "booked_at", "since",
)  # fmt: skip


def read_statement(body: bytes) -> Statement:
    """A statement as it is sent. Raises ValueError with what is wrong."""
    try:
        statement = Statement.model_validate_json(body)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)[:5]
        said = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in wrong]
        raise ValueError("; ".join(said)) from None
    if not FIRST_DAY <= statement.day <= LAST_DAY:
        raise ValueError(f"day: {statement.day} is no day of a statement")
    return statement


async def reconcile(
    connection: asyncpg.Connection, statement: Statement, book: BookOf, *, now: datetime, by: str
) -> dict[str, Any]:
    """Compares, keeps the result, and returns it as `reconciliation` does. The same statement against the same book is
    the same revision; a corrected statement, or a book that has moved on, makes a new one and leaves the old ones."""
    digest = await asyncio.to_thread(_digest, statement.model_dump_json)
    await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", _lock(statement))
    try:
        async with connection.transaction(isolation="repeatable_read"):
            booked = await _booked(connection, statement, book)
            found = await asyncio.to_thread(differences, statement, booked)
            await _keep(connection, statement, digest, booked, found, now, by)
    finally:
        await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", _lock(statement))
    kept = await reconciliation(connection, statement.provider, statement.day)
    assert kept is not None
    return kept


async def reconciliation(
    connection: asyncpg.Connection, provider: str, day: date, *, after: int = 0, limit: int = PAGE_LIMIT
) -> dict[str, Any] | None:
    """What is known of a day, JSON-able, None if it was never compared: revision, totals by currency, causes counted,
    and a page of differences behind position `after`; go on with `next` until it is null."""
    row = await connection.fetchrow(_LATEST, provider, day)
    if row is None:
        return None
    page = await connection.fetch(_PAGE, provider, day, row["revision"], after, limit + 1)
    history = await connection.fetch(_HISTORY, provider, day)
    causes = json.loads(row["causes"])
    return {
        "provider": provider,
        "day": day.isoformat(),
        "revision": row["revision"],
        "statement": row["statement"],
        "closed_at": row["closed_at"].isoformat(),
        "made_at": row["made_at"].isoformat(),
        "made_by": row["made_by"],
        "clean": not causes,
        "entries": row["entries"],
        "movements": row["movements"],
        "causes": causes,
        "totals": json.loads(row["totals"]),
        "differences": [_told(each) for each in page[:limit]],
        "next": page[limit - 1]["position"] if len(page) > limit else None,
        "history": [
            {
                "revision": each["revision"],
                "statement": each["statement"],
                "made_at": each["made_at"].isoformat(),
                "made_by": each["made_by"],
                "differences": sum(json.loads(each["causes"]).values()),
            }
            for each in history
        ],
    }


def _written_out(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with its references written out: a description has no room for definitions of one route."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _written_out(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
        return {name: _written_out(value, definitions) for name, value in schema.items() if name != "$defs"}
    return [_written_out(each, definitions) for each in schema] if isinstance(schema, list) else schema


def _statement_body() -> dict[str, Any]:
    schema = Statement.model_json_schema()
    content = {"schema": _written_out(schema, schema["$defs"]), "example": EXAMPLE}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


EXAMPLE = {
    "provider": "payments",
    "day": "2026-03-14",
    "closed_at": "2026-03-15T00:00:00Z",
    "entries": [
        {"operation_id": "pay-ord-0001-1", "reference": "ord-0001", "kind": "payment",
         "amount": {"amount": 10_000, "currency": "EUR"}, "at": "2026-03-14T09:30:00Z"},
        {"operation_id": "payout-ord-0002-1", "reference": "ord-0002", "kind": "payout",
         "amount": {"amount": 9_500, "currency": "EUR"}, "at": "2026-03-14T17:00:00Z"},
    ],
}  # fmt: skip
STATEMENT_BODY = _statement_body()
"""What the description of a route says about a body that is a statement."""


def hours_of(day: date) -> tuple[datetime, datetime]:
    """When a day begins and ends, UTC."""
    begin = datetime.combine(day, time(), UTC)
    return begin, begin + timedelta(days=1)


async def _booked(connection: asyncpg.Connection, statement: Statement, book: BookOf) -> Booked:
    clearing, day = f"clearing:{book.clearing}#", hours_of(statement.day)
    movements = _movements(await connection.fetch(_MOVED_ON, clearing, *day), book)
    entries, left = await asyncio.to_thread(unmatched, statement, movements)
    asking = list({entry.reference for entry in entries})
    states = await connection.fetch(f"SELECT id, state::text FROM {book.table} WHERE id = ANY ($1::text[])", asking)
    moved = _movements(await connection.fetch(_MOVED_OF, clearing, asking, *day), book)
    opened = await connection.fetch(
        _OPEN, statement.provider, statement.day, [*asking, *(movement.reference for movement in left)]
    )
    days = {row["day"] for row in await connection.fetch(_DAYS, statement.provider, statement.day)}
    return Booked(
        movements=movements,
        elsewhere=_open_on_their_day(moved, days, opened),
        asked=await _asked(connection, [each for row in states for each in book.asked(row["state"])]),
        references=frozenset(row["id"] for row in states),
        stated_elsewhere=[_entry(row) for row in opened if row["stated"] is not None],
        unbooked_elsewhere=[_entry(row) for row in opened if row["cause"] in _UNBOOKED],
        of_orders=book.of_orders,
    )


def _movements(rows: Sequence[asyncpg.Record], book: BookOf) -> list[Movement]:
    return [
        Movement(
            EntryKind(row["kind"]),
            row["order_id"],
            book.operation_of(row["id"], row["order_id"]),
            Money.model_construct(amount=row["amount"], currency=row["currency"]),
            row["at"],
        )
        for row in rows
    ]


def _open_on_their_day(moved: Sequence[Movement], days: set[date], opened: Sequence[asyncpg.Record]) -> list[Movement]:
    """Movements of other days that those days' statements did not have, as far as they were compared."""
    missed = Counter((row["kind"], row["reference"], row["booked_at"]) for row in opened if row["booked"] is not None)
    return [each for each in moved if each.at.date() not in days or missed[each.kind.value, each.reference, each.at]]


async def _asked(connection: asyncpg.Connection, asked: list[Asked]) -> list[Asked]:
    unknown = [each for each in asked if each.since is None]
    if not unknown:
        return asked
    rows = await connection.fetch(
        _SINCE, [each.operation_id for each in unknown], list({each.reference for each in unknown})
    )
    since = {row["id"]: row["at"] for row in rows}
    return [
        replace(each, since=each.since or since.get(each.operation_id) or since.get(each.reference)) for each in asked
    ]


def _entry(row: asyncpg.Record) -> StatementEntry:
    return StatementEntry(
        operation_id=row["operation_id"],
        reference=row["reference"],
        kind=EntryKind(row["kind"]),
        amount=Money(amount=row["stated"], currency=row["stated_currency"]),
        at=row["stated_at"],
    )


async def _keep(
    connection: asyncpg.Connection,
    statement: Statement,
    digest: str,
    booked: Booked,
    found: Sequence[Difference],
    now: datetime,
    by: str,
) -> None:
    summed = [
        {"currency": each.currency, "stated": each.stated, "booked": each.booked, "difference": each.difference,
         "entries": each.entries, "movements": each.movements}
        for each in totals(statement, booked, found)
    ]  # fmt: skip
    result = await asyncio.to_thread(_digest, lambda: repr((summed, found)))
    before = await connection.fetchrow(_LATEST, statement.provider, statement.day)
    if before and (before["statement"], before["result"]) == (digest, result):
        return
    place = (statement.provider, statement.day, before["revision"] + 1 if before else 1)
    causes = dict(sorted(Counter(each.cause.value for each in found).items()))
    await connection.execute(
        _INSERT, *place, digest, statement.closed_at, now, by, len(statement.entries), len(booked.movements), result,
        json.dumps(summed), json.dumps(causes),
    )  # fmt: skip
    records = [(*place, position, *_record(each)) for position, each in enumerate(found, 1)]
    await connection.copy_records_to_table("reconciliation_differences", records=records, columns=_COLUMNS)


def _record(each: Difference) -> tuple[Any, ...]:
    stated, booked = each.stated, each.booked
    return (
        each.cause.value, each.kind.value, each.reference, each.operation_id,
        stated and stated.amount, stated and stated.currency, each.stated_at,
        booked and booked.amount, booked and booked.currency, each.booked_at, each.since,
    )  # fmt: skip


def _told(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "position": row["position"],
        "cause": row["cause"],
        "kind": row["kind"],
        "reference": row["reference"],
        "operation_id": row["operation_id"],
        "stated": _money(row["stated"], row["stated_currency"]),
        "booked": _money(row["booked"], row["booked_currency"]),
        "stated_at": _time(row["stated_at"]),
        "booked_at": _time(row["booked_at"]),
        "since": _time(row["since"]),
        "what_to_do": WHAT_TO_DO[Cause(row["cause"])],
    }


def _money(amount: int | None, currency: str | None) -> dict[str, Any] | None:
    if amount is None or currency is None:
        return None
    return {"amount": amount, "currency": currency, "text": f"{major_units(amount, currency)} {currency}"}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _digest(text: Callable[[], str]) -> str:
    return sha256(text().encode()).hexdigest()


def _lock(statement: Statement) -> str:
    return f"reconciliation/{statement.provider}/{statement.day}"
