"""What the saved orders are asked for beyond one by its id: the operators' queue, and what should have moved by now."""

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from escrow.state import Escrow

PAGE_LIMIT = 200

_QUEUE = """
SELECT id, version, state::text AS state
FROM escrow
WHERE with_operator AND id > $1
ORDER BY id
LIMIT $2
"""

# A timer is late by moments under load; what is late by more is a fault of ours.
_OVERDUE = """
SELECT id, version, state::text AS state, due_at
FROM timers JOIN escrow USING (id)
WHERE aggregate = 'escrow' AND name = 'deadline' AND due_at < $1 AND (due_at, id) > ($2, $3)
ORDER BY due_at, id
LIMIT $4
"""

_IN_QUEUE = "SELECT count(*) FROM escrow WHERE with_operator"

_decode = msgspec.json.Decoder(Escrow).decode


async def operator_queue(pool: Any, *, after: str = "", limit: int = PAGE_LIMIT) -> list[tuple[Escrow, int]]:
    """Orders that wait for an operator, with their versions, by id; go on with the last id as `after`."""
    return [(_decode(row["state"]), row["version"]) for row in await pool.fetch(_QUEUE, after, limit)]


async def queued(connection: Any) -> int:
    """How many orders wait for an operator."""
    count: int = await connection.fetchval(_IN_QUEUE)
    return count


class Late(NamedTuple):
    """An order that did not move when it was `due_at`."""

    order: Escrow
    version: int
    due_at: datetime


async def overdue(
    pool: Any,
    now: datetime,
    *,
    by: timedelta = timedelta(minutes=5),
    after: tuple[datetime, str] | None = None,
    limit: int = PAGE_LIMIT,
) -> list[Late]:
    """Orders whose deadline passed more than `by` ago and that did not move, the longest overdue first, behind the
    deadline and id `after`."""
    moment, id = after or (datetime.min.replace(tzinfo=UTC), "")
    rows = await pool.fetch(_OVERDUE, now - by, moment, id, limit)
    return [Late(_decode(row["state"]), row["version"], row["due_at"]) for row in rows]
