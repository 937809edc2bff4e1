"""Lists of cases, page by page, the most urgent first: ordered by the day a mediator should have ruled (D5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec

from disputes.case import Case, Status
from runtime.decision import Refused
from runtime.fold import Versioned

PAGE_LIMIT: Final = 200

_PAGE: Final = "SELECT id, version, state::text AS state FROM disputes WHERE {filters} ORDER BY rule_by, id LIMIT $1"
_AFTER: Final = "(rule_by, id) > ((SELECT rule_by FROM disputes WHERE id = ${place}), ${place})"

_decode = msgspec.json.Decoder(Case).decode


@dataclass(frozen=True, slots=True)
class Page:
    """Cases by (rule_by, id). `next_after` is the id to go on after, None at the end."""

    cases: Sequence[Versioned]
    next_after: str | None


async def list_cases(
    pool: asyncpg.Pool,
    *,
    order_id: str | None = None,
    buyer_id: str | None = None,
    seller_id: str | None = None,
    status: Status | None = None,
    after: str | None = None,
    limit: int = PAGE_LIMIT,
) -> Page:
    """Up to `limit` cases (1 to `PAGE_LIMIT`) that fit every filter given, beyond the case `after`.

    Raises `Refused`: invalid_cursor when there is no case `after`.
    """
    columns = {"order_id": order_id, "buyer_id": buyer_id, "seller_id": seller_id, "status": status and status.value}
    given = {column: value for column, value in columns.items() if value is not None}
    filters = [f"{column} = ${place}" for place, column in enumerate(given, start=2)]
    values: list[object] = [limit + 1, *given.values()]
    if after is not None:
        if not await pool.fetchval("SELECT EXISTS (SELECT FROM disputes WHERE id = $1)", after):
            raise Refused("invalid_cursor", "there is no dispute with the id given as after; start without it")
        filters.append(_AFTER.format(place=len(values) + 1))
        values.append(after)
    rows = await pool.fetch(_PAGE.format(filters=" AND ".join(filters) or "true"), *values)
    found = [Versioned(_decode(row["state"]), row["version"]) for row in rows[:limit]]
    return Page(found, rows[limit - 1]["id"] if len(rows) > limit else None)
