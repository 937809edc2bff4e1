"""The provider's statement: what really moved, in order."""

from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg


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


_FROM_THE_START = (datetime(1970, 1, 1, tzinfo=UTC), "")

# Chargebacks are few and have no index of their own; the limit within lets the operations use theirs.
_STATEMENT = """
    (SELECT moved_at, id, state ->> 'kind' AS kind, state ->> 'reference' AS reference,
            CASE state ->> 'kind' WHEN 'payment' THEN 1 ELSE -1 END * (state ->> 'amount')::bigint AS amount,
            state ->> 'currency' AS currency
     FROM operations
     WHERE moved_at IS NOT NULL AND (moved_at, id) > ($2, $3)
     ORDER BY moved_at, id LIMIT $1)
    UNION ALL
    (SELECT movement.moved_at, movement.id, movement.kind, chargebacks.id,
            movement.sign * (item ->> 'amount')::bigint, item ->> 'currency'
     FROM chargebacks
     CROSS JOIN LATERAL json_array_elements(state -> 'chargebacks') AS item
     CROSS JOIN LATERAL (VALUES
         ((item ->> 'received_at')::timestamptz, item ->> 'chargeback_id', 'chargeback', -1),
         ((item ->> 'reversed_at')::timestamptz, (item ->> 'chargeback_id') || ':reversed', 'chargeback_reversal', 1)
     ) AS movement (moved_at, id, kind, sign)
     WHERE movement.moved_at IS NOT NULL AND (movement.moved_at, movement.id COLLATE "C") > ($2, $3))
    ORDER BY moved_at, id
    LIMIT $1
"""
