"""Many more orders in the tables than anybody could wait for: copies of orders that really went their way, under ids of
their own, in every table that keeps something of an order. As what they are copied from is whole, so is all of it: each
order's transfers, holds and states belong together, and the shared accounts are moved by as much as was copied.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from bench.outside import BenchFailed
from holdfast.embedded import Postgres
from ledger.proof import prove

KEPT: Mapping[str, Sequence[str]] = {
    "orders": ("orders",),
    "escrow": ("escrow", "ledger_accounts", "ledger_transfers", "ledger_holds", "ledger_resolutions"),
    "disputes": ("held_orders", "disputes"),
    "identity": (),
}
"""What every service keeps of an order besides its inbox. Of an account with identity the last few orders are part, and
they stay the last few."""
ONE_AN_ORDER = frozenset({"orders", "escrow", "ledger_accounts", "held_orders"})
BOOKS = ("escrow", "deposits")
TOLD_EVERY = 250_000


@dataclass(frozen=True, slots=True)
class Sample:
    """What copies are made of: `orders` orders, ended and alone with their ids `prefix…`, and how many messages of them
    are in each service's inbox."""

    prefix: str
    orders: int
    inbox: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a table or of many: rows (with what is stored apart of them), and indexes."""

    table: int
    indexes: int

    def __add__(self, other: "Size") -> "Size":
        return Size(self.table + other.table, self.indexes + other.indexes)

    @property
    def all(self) -> int:
        return self.table + self.indexes


def copy_prefix(number: int) -> str:
    """What the ids of copy `number` begin with; ids sort by it, and before those of orders that come later."""
    return f"old{number:06d}-"


def copied(column: str, type: str) -> str:
    """The SQL of a copied column: ids, alone or in a text or document, are those of the copy. $1 is the prefix of what
    is copied, $2 that of the copy."""
    match type:
        case "text":
            return f'replace("{column}", $1, $2)'
        case "json" | "jsonb":
            return f'replace("{column}"::text, $1, $2)::{type}'
    return f'"{column}"'


async def inboxes(postgres: Postgres) -> dict[str, int]:
    """How many messages each service has handled."""
    found = {}
    for name in KEPT:
        connection = await asyncpg.connect(postgres.dsn(name))
        try:
            found[name] = await connection.fetchval("SELECT count(*) FROM inbox")
        finally:
            await connection.close()
    return found


async def copy(postgres: Postgres, sample: Sample, first: int, count: int, say: Callable[[str], None]) -> None:
    """Makes copies `first` … `first + count - 1` of the sample's orders, then does what autovacuum and the checkpointer
    would do later, so that it is not measured with what comes next. All services at once."""
    await asyncio.gather(*(_copy_service(postgres.dsn(name), name, sample, first, count, say) for name in KEPT))
    await checkpoint(postgres)


async def checkpoint(postgres: Postgres) -> None:
    """Every page changed until now is written."""
    connection = await asyncpg.connect(postgres.dsn())
    await connection.execute("CHECKPOINT")
    await connection.close()


async def _copy_service(
    dsn: str, name: str, sample: Sample, first: int, count: int, say: Callable[[str], None]
) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        # Copies break no rule that their originals keep, and the book is proved afterwards.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        inserts = [await _insert(connection, table, sample) for table in KEPT[name]]
        for number in range(first, first + count):
            async with connection.transaction():
                for insert in inserts:
                    await connection.execute(insert, sample.prefix, copy_prefix(number))
                await connection.execute(
                    "INSERT INTO inbox (id) SELECT uuidv7() FROM generate_series(1, $1::int)", sample.inbox[name]
                )
            done = (number - first + 1) * sample.orders
            if name == "escrow" and done % TOLD_EVERY < sample.orders:
                say(f"{done} orders copied")
        if "ledger_transfers" in KEPT[name]:
            await connection.execute(_SHARED_ACCOUNTS, sample.prefix, count)
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
    finally:
        await connection.close()


async def _insert(connection: asyncpg.Connection, table: str, sample: Sample) -> str:
    """The statement that copies what a table has of the sample's orders, which is set aside for it. Raises BenchFailed
    (sample_incomplete) where rows are missing."""
    columns = await connection.fetch(_COLUMNS, table)
    names = ", ".join(f'"{row["name"]}"' for row in columns)
    values = ", ".join(copied(row["name"], row["type"]) for row in columns)
    await connection.execute(f'CREATE TEMP TABLE "sample_{table}" AS SELECT {names} FROM "{table}" LIMIT 0')
    status = await connection.execute(
        f'INSERT INTO "sample_{table}" SELECT {names} FROM "{table}" AS row WHERE strpos(row::text, $1) > 0',
        sample.prefix,
    )
    rows = int(status.rpartition(" ")[2])
    if rows < sample.orders and table in ONE_AN_ORDER:
        raise BenchFailed("sample_incomplete", f"{table} has {rows} rows of {sample.orders} orders")
    return f'INSERT INTO "{table}" ({names}) SELECT {values} FROM "sample_{table}"'


async def sizes(postgres: Postgres) -> dict[str, Size]:
    """Bytes by `service.table`, of all services."""
    found: dict[str, Size] = {}
    for name in (*KEPT, "deposits"):
        connection = await asyncpg.connect(postgres.dsn(name))
        try:
            found |= {f"{name}.{row[0]}": Size(row[1], row[2]) for row in await connection.fetch(_SIZES)}
        finally:
            await connection.close()
    return found


async def wal_position(postgres: Postgres) -> int:
    """Bytes of write-ahead log written since the cluster was made."""
    connection = await asyncpg.connect(postgres.dsn())
    try:
        return int(await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
    finally:
        await connection.close()


async def proof_findings(postgres: Postgres) -> list[str]:
    """What the proof of every book finds wrong, however long it takes."""
    found = []
    for name in BOOKS:
        connection = await asyncpg.connect(postgres.dsn(name))
        try:
            found += [f"{name}: {one}" for one in (await prove(connection)).findings]
        finally:
            await connection.close()
    return found


_COLUMNS = """
SELECT attname AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute
WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
ORDER BY attnum
"""

# The transfers of one copy, as often as there are copies; accounts of the copied orders' own came with the copies.
_SHARED_ACCOUNTS = """
UPDATE ledger_accounts AS account
SET debits_posted = account.debits_posted + moved.debits * $2::bigint,
    credits_posted = account.credits_posted + moved.credits * $2::bigint
FROM (
    SELECT side.id, sum(debits)::bigint AS debits, sum(credits)::bigint AS credits
    FROM sample_ledger_transfers AS transfer
    CROSS JOIN LATERAL (VALUES (debit, amount, 0), (credit, 0, amount)) AS side (id, debits, credits)
    GROUP BY side.id
) AS moved (id, debits, credits)
WHERE account.id = moved.id AND strpos(account.id, $1) = 0
"""

_SIZES = """
SELECT relname::text, pg_table_size(oid), pg_indexes_size(oid)
FROM pg_class
WHERE relkind IN ('r', 'm') AND relnamespace = 'public'::regnamespace
ORDER BY relname
"""
