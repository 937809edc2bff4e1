"""Timers are rows. A due timer enters the same path as a message; taking its row is its deduplication."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from runtime.columns import column, rows
from runtime.db import Connection
from runtime.decision import Ref
from runtime.writes import Write


class DueTimer(NamedTuple):
    """A timer as it stands in the table."""

    ref: Ref
    name: str
    due_at: datetime

    @property
    def cause(self) -> str:
        """Id that effects name as their cause; the same however often the timer is tried."""
        return f"timer:{self.ref.aggregate}:{self.ref.id}:{self.name}:{self.due_at.isoformat()}"


async def due(connection: Connection, now: datetime, limit: int) -> list[DueTimer]:
    """What is due, oldest first. Not locked: the batch claims after it holds the aggregates, so that a timer and
    a message for the same aggregate never wait for each other in a circle."""
    found = await connection.fetch(
        "SELECT aggregate, id, name, due_at FROM timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2", now, limit
    )
    return [DueTimer(Ref(row[0], row[1]), row[2], row[3]) for row in found]


async def claim(connection: Connection, timers: Sequence[DueTimer]) -> set[DueTimer]:
    """Takes the rows that still stand as they were read; the others were cancelled, moved or fired elsewhere."""
    names = "t.aggregate, t.id, t.name, t.due_at"
    found = await connection.fetch(
        f"DELETE FROM timers AS t USING {_TIMERS} AS c "
        f"WHERE ({names}) = (c.aggregate, c.id, c.name, c.due_at) RETURNING {names}",
        *map(column, zip(*((*timer.ref, timer.name, timer.due_at) for timer in timers), strict=True)),
    )
    return {DueTimer(Ref(row[0], row[1]), row[2], row[3]) for row in found}


_KEY = {"aggregate": "text", "id": "text", "name": "text"}
_TIMERS = rows({**_KEY, "due_at": "timestamptz"})
_SET = (
    f"INSERT INTO timers (aggregate, id, name, due_at) SELECT * FROM {_TIMERS} AS c "
    "ON CONFLICT (aggregate, id, name) DO UPDATE SET due_at = excluded.due_at"
)
_CANCEL = (
    f"DELETE FROM timers AS t USING {rows(_KEY)} AS c WHERE (t.aggregate, t.id, t.name) = (c.aggregate, c.id, c.name)"
)


def writes(timers: Mapping[tuple[Ref, str], datetime | None]) -> list[Write]:
    """What sets and cancels timers of aggregates that the transaction holds."""
    wanted = [(*ref, name, due_at) for (ref, name), due_at in timers.items() if due_at is not None]
    cancelled = [(*ref, name) for (ref, name), due_at in timers.items() if due_at is None]
    return [
        Write(sql, [*map(column, zip(*some, strict=True))])
        for sql, some in ((_SET, wanted), (_CANCEL, cancelled))
        if some
    ]
