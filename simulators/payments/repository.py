"""What really moved, in order: the provider's whole record, and that of one day as its statement has it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import asyncpg

from contracts.money import Money
from contracts.statement import EntryKind, StatementEntry


class StatementLine(NamedTuple):
    """One movement: `kind` payment, refund, payout, chargeback or chargeback_reversal; `amount` in minor units,
    negative where money left the provider."""

    moved_at: datetime
    id: str
    kind: str
    reference: str
    amount: int
    currency: str


async def statement(
    connection: asyncpg.Connection | asyncpg.Pool, limit: int, after: tuple[datetime, str] | None = None
) -> list[StatementLine]:
    """At most `limit` movements, oldest first, beginning behind `after` (`moved_at`, `id` of the last one read)."""
    rows = await connection.fetch(_STATEMENT, limit, *(after or _FROM_THE_START))
    return [StatementLine(*row) for row in rows]


async def moved_on(connection: asyncpg.Connection | asyncpg.Pool, day: date) -> list[StatementEntry]:
    """Everything that moved on a day (UTC), in the order it did: see `moved_between`."""
    return await moved_between(connection, midnight(day), midnight(day + timedelta(days=1)))


async def moved_between(
    connection: asyncpg.Connection | asyncpg.Pool, since: datetime, until: datetime
) -> list[StatementEntry]:
    """Everything that moved since the one moment and before the other, in the order it did. A chargeback bears the id
    of the payment it takes back, or its own where the provider holds no payment under its reference."""
    rows = await connection.fetch(_MOVED, since, until)
    return [
        StatementEntry(
            operation_id=row["operation_id"],
            reference=row["reference"],
            kind=EntryKind(row["kind"]),
            amount=Money(amount=row["amount"], currency=row["currency"]),
            at=row["moved_at"],
        )
        for row in rows
    ]


async def faults_met(connection: asyncpg.Connection | asyncpg.Pool) -> dict[str, int]:
    """How many operations met each fault that came by itself."""
    return {row["fault"]: row["times"] for row in await connection.fetch(_FAULTS)}


def midnight(day: date) -> datetime:
    """When a day begins, UTC."""
    return datetime.combine(day, time(), UTC)


_FROM_THE_START = (datetime(1970, 1, 1, tzinfo=UTC), "")

_CHARGEBACKS = """
    SELECT movement.moved_at, movement.id, movement.kind, chargebacks.id AS reference, movement.sign,
           (item ->> 'amount')::bigint AS amount, item ->> 'currency' AS currency
    FROM chargebacks
    CROSS JOIN LATERAL json_array_elements(state -> 'chargebacks') AS item
    CROSS JOIN LATERAL (VALUES
        ((item ->> 'received_at')::timestamptz, item ->> 'chargeback_id', 'chargeback', -1),
        ((item ->> 'reversed_at')::timestamptz, (item ->> 'chargeback_id') || ':reversed', 'chargeback_reversal', 1)
    ) AS movement (moved_at, id, kind, sign)
    WHERE movement.moved_at IS NOT NULL
"""

# Chargebacks are few and have no index of their own; the limit within lets the operations use theirs.
_STATEMENT = f"""
    (SELECT moved_at, id, state ->> 'kind' AS kind, state ->> 'reference' AS reference,
            CASE state ->> 'kind' WHEN 'payment' THEN 1 ELSE -1 END * (state ->> 'amount')::bigint AS amount,
            state ->> 'currency' AS currency
     FROM operations
     WHERE moved_at IS NOT NULL AND (moved_at, id) > ($2, $3)
     ORDER BY moved_at, id LIMIT $1)
    UNION ALL
    (SELECT moved_at, id, kind, reference, sign * amount, currency
     FROM ({_CHARGEBACKS}) AS taken
     WHERE (moved_at, id COLLATE "C") > ($2, $3))
    ORDER BY moved_at, id
    LIMIT $1
"""

_MOVED = f"""
    SELECT moved_at, id, id AS operation_id, state ->> 'kind' AS kind, state ->> 'reference' AS reference,
           (state ->> 'amount')::bigint AS amount, state ->> 'currency' AS currency
    FROM operations
    WHERE moved_at >= $1 AND moved_at < $2
    UNION ALL
    SELECT taken.moved_at, taken.id, coalesce(payment.id, split_part(taken.id, ':', 1)), taken.kind, taken.reference,
           taken.amount, taken.currency
    FROM ({_CHARGEBACKS}) AS taken
    LEFT JOIN LATERAL (
        SELECT id FROM operations
        WHERE state ->> 'reference' = taken.reference AND state ->> 'kind' = 'payment' AND moved_at IS NOT NULL
        ORDER BY moved_at, id LIMIT 1
    ) AS payment ON true
    WHERE taken.moved_at >= $1 AND taken.moved_at < $2
    ORDER BY moved_at, id
"""

_FAULTS = """
    SELECT fault, count(*) AS times
    FROM operations CROSS JOIN LATERAL json_array_elements_text(state -> 'faults') AS fault
    GROUP BY fault ORDER BY fault
"""
