"""Queries of the identity service beyond one account."""

from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from identity.domain import StopStatus

APPEAL_STATUSES = (StopStatus.SUBMITTED, StopStatus.VERIFIED, StopStatus.REJECTED)


class AppealRow(NamedTuple):
    """An appeal in the reviewers' list. `submitted_at` in UTC."""

    appeal_id: str
    person_id: str
    order_id: str
    status: str
    submitted_at: datetime
    rules: list[str]
    documents: list[str]


async def appeals(
    connection: asyncpg.Connection | asyncpg.Pool,
    status: StopStatus,
    limit: int,
    after: tuple[datetime, str] | None = None,
) -> list[AppealRow]:
    """At most `limit` appeals of this status, the longest waiting first, beginning behind `after`
    (`submitted_at`, `appeal_id` of the last one read)."""
    if status not in APPEAL_STATUSES:
        raise ValueError(f"an appeal is {', '.join(APPEAL_STATUSES)}, not {status}")
    rows = await connection.fetch(_APPEALS[status], limit, *(after or (None, None)))
    return [AppealRow(*row) for row in rows]


def _appeals_sql(status: StopStatus) -> str:
    # The column and the literal come from the enumeration: only with a literal can the partial index be used.
    return f"""
        SELECT stop ->> 'appeal_id', id, stop ->> 'order_id', stop ->> 'status', submitted_at,
               ARRAY(SELECT signal ->> 'rule' FROM json_array_elements(stop -> 'signals') AS signal),
               ARRAY(SELECT paper ->> 'kind' FROM json_array_elements(stop -> 'documents') AS paper)
        FROM accounts
        CROSS JOIN LATERAL json_array_elements(state -> 'stops') AS stop
        CROSS JOIN LATERAL (SELECT (stop ->> 'submitted_at')::timestamptz AS submitted_at) AS moment
        WHERE {status.value} > 0
          AND stop ->> 'status' = '{status.value}'
          AND ($2::timestamptz IS NULL OR (submitted_at, stop ->> 'appeal_id') > ($2, $3::text))
        ORDER BY submitted_at, stop ->> 'appeal_id'
        LIMIT $1
    """


_APPEALS: dict[Any, str] = {status: _appeals_sql(status) for status in APPEAL_STATUSES}
