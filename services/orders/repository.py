"""Lists of orders, page by page, in the order of their ids; and shipping addresses, beside the orders.

The state has no index: one would make every change of an order rewrite all its index entries. A page therefore looks
at no more than `WINDOW` orders and says where to go on, so that a rare state never costs a walk through all orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from orders.address import Address, EraseAddress, KeepAddress
from orders.order import Order, Status
from runtime.fold import Versioned

WINDOW: Final = 2_000
PAGE_LIMIT: Final = 200

_SQL: Final = """
WITH looked AS MATERIALIZED (
    SELECT id, status FROM orders WHERE id > $1 {whose} ORDER BY id LIMIT {window}
),
matching AS (
    SELECT id FROM looked WHERE $2::text IS NULL OR status = $2 ORDER BY id LIMIT $3
),
bounds AS (
    SELECT max(id) AS last_id, count(*) AS orders FROM looked
)
SELECT o.id, o.version, o.state::text AS state, b.last_id, b.orders
FROM bounds AS b LEFT JOIN (matching JOIN orders AS o USING (id)) ON true
ORDER BY o.id
"""
# One statement for each question, so that each has a plan of its own and uses the index it was made for.
_SQL_ALL: Final = _SQL.format(whose="", window=WINDOW)
_SQL_BUYER: Final = _SQL.format(whose="AND buyer_id = $4", window=WINDOW)
_SQL_SELLER: Final = _SQL.format(whose="AND seller_id = $4", window=WINDOW)
_SQL_BOTH: Final = _SQL.format(whose="AND buyer_id = $4 AND seller_id = $5", window=WINDOW)

_decode = msgspec.json.Decoder(Order).decode


@dataclass(frozen=True, slots=True)
class Page:
    """Orders by id, ascending; possibly fewer than asked for. `next_after` is the cursor of the next page, None at the
    end."""

    orders: Sequence[Versioned]
    next_after: str | None


async def list_orders(
    pool: asyncpg.Pool,
    *,
    buyer_id: str | None = None,
    seller_id: str | None = None,
    status: Status | None = None,
    after: str = "",
    limit: int = PAGE_LIMIT,
) -> Page:
    """Up to `limit` orders (1 to `PAGE_LIMIT`) with ids beyond `after` that fit every filter given."""
    sql = {
        (False, False): _SQL_ALL,
        (True, False): _SQL_BUYER,
        (False, True): _SQL_SELLER,
        (True, True): _SQL_BOTH,
    }[buyer_id is not None, seller_id is not None]
    whose = [id for id in (buyer_id, seller_id) if id is not None]
    rows = await pool.fetch(sql, after, status and status.value, limit, *whose)
    found = [Versioned(_decode(row["state"]), row["version"]) for row in rows if row["id"] is not None]
    if len(found) == limit:
        return Page(found, rows[-1]["id"])
    return Page(found, rows[0]["last_id"] if rows[0]["orders"] == WINDOW else None)


class Addresses:
    """Keeps and erases addresses in the transaction of the message that says so: to the runtime, they are what postings
    are to a ledger."""

    async def write(
        self, connection: Any, postings: Sequence[tuple[str, KeepAddress | EraseAddress]], now: datetime
    ) -> None:
        """The last word on each order counts."""
        last = {posting.order_id: posting for _, posting in postings}
        kept = [each for each in last.values() if isinstance(each, KeepAddress)]
        erased = [each.order_id for each in last.values() if isinstance(each, EraseAddress)]
        if kept:
            await connection.execute(
                """
                INSERT INTO shipping_addresses (order_id, address, given_at)
                SELECT * FROM unnest($1::text[], $2::json[], $3::timestamptz[])
                ON CONFLICT (order_id) DO UPDATE SET address = excluded.address, given_at = excluded.given_at
                """,
                [each.order_id for each in kept],
                [each.address.model_dump_json() for each in kept],
                [each.at for each in kept],
            )
        if erased:
            await connection.execute("DELETE FROM shipping_addresses WHERE order_id = ANY($1::text[])", erased)


async def address_of(pool: asyncpg.Pool, order_id: str) -> Address | None:
    """Where the order goes; None where nobody said so, or it was erased. Whoever asks checks who may know."""
    found = await pool.fetchval("SELECT address::text FROM shipping_addresses WHERE order_id = $1", order_id)
    return Address.model_validate_json(found) if found else None
