"""What PostgreSQL and Kafka count themselves: statements, transactions, rows, write-ahead log; messages and bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.outside import BenchFailed
from contracts.message import PARTITIONS
from holdfast.embedded import Postgres

STATEMENTS = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": "5000",
}
"""Settings of a PostgreSQL that can count statements. It does from its start to `end`, and from `begin` on again.
Counting costs some of its time: never measure speed meanwhile."""
REPORTED_WITHIN = 11.0
"""Seconds after which idle backends have reported what they did to which table."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One kind of statement: how often, how long in all (milliseconds, elapsed in the server), rows, WAL bytes."""

    database: str
    sql: str
    calls: int
    milliseconds: float
    rows: int
    wal_bytes: int


@dataclass(frozen=True, slots=True)
class Rows:
    """Row versions by table: every update and delete leaves a dead one."""

    inserted: int = 0
    updated: int = 0
    hot: int = 0
    deleted: int = 0

    def __sub__(self, other: "Rows") -> "Rows":
        return Rows(
            self.inserted - other.inserted,
            self.updated - other.updated,
            self.hot - other.hot,
            self.deleted - other.deleted,
        )

    @property
    def dead(self) -> int:
        return self.updated + self.deleted


@dataclass(frozen=True, slots=True)
class Counted:
    """Totals since the server started. Rows by (database, table), messages by topic."""

    wal_bytes: int
    wal_records: int
    wal_full_pages: int
    rows: Mapping[tuple[str, str], Rows] = field(repr=False)
    statements: Sequence[Statement] = field(repr=False)
    messages: Mapping[str, int] = field(repr=False)


async def count(
    postgres: Postgres, databases: Sequence[str], kafka: str, topics: Sequence[str], *, rows: bool
) -> Counted:
    """Everything counted until now: what is known at once first, so that idling meanwhile does not count. Without
    `rows` no backend is waited for."""
    main = await asyncpg.connect(postgres.dsn())
    try:
        statements = [Statement(*row) for row in await main.fetch(_STATEMENTS)]
        ((wal_bytes, wal_records, wal_full_pages),) = await main.fetch(_WAL)
    finally:
        await main.close()
    published = await messages(kafka, topics)
    if not rows:
        return Counted(wal_bytes, wal_records, wal_full_pages, {}, statements, published)
    await asyncio.sleep(REPORTED_WITHIN)
    by_table: dict[tuple[str, str], Rows] = {}
    for database in databases:
        one = await asyncpg.connect(postgres.dsn(database))
        try:
            by_table |= {(database, row[0]): Rows(*row[1:]) for row in await one.fetch(_ROWS)}
        finally:
            await one.close()
    return Counted(wal_bytes, wal_records, wal_full_pages, by_table, statements, published)


async def messages(kafka: str, topics: Sequence[str]) -> dict[str, int]:
    """Messages ever published, by topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        ends = await consumer.end_offsets(places)
        return {topic: sum(ends[place] for place in places if place.topic == topic) for topic in topics}
    finally:
        await consumer.stop()


def log_bytes(logs: Path, topics: Sequence[str]) -> int:
    """Bytes of the topics in Kafka's folder `logs`, batches and headers included."""
    return sum(file.stat().st_size for topic in topics for file in logs.glob(f"{topic}-*/*.log"))


async def begin(postgres: Postgres) -> None:
    """Makes the counting of statements visible, and starts it at nothing."""
    connection = await asyncpg.connect(postgres.dsn())
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await _track(connection, "top")
        await connection.execute("SELECT pg_stat_statements_reset()")
    finally:
        await connection.close()


async def end(postgres: Postgres) -> None:
    """Counts statements no more."""
    connection = await asyncpg.connect(postgres.dsn())
    try:
        await _track(connection, "none")
    finally:
        await connection.close()


async def _track(connection: asyncpg.Connection, which: str) -> None:
    """Backends heed it with their next statement, this one as well as any other."""
    await connection.execute(f"ALTER SYSTEM SET pg_stat_statements.track = '{which}'")
    await connection.execute("SELECT pg_reload_conf()")
    for _ in range(100):
        if await connection.fetchval("SHOW pg_stat_statements.track") == which:
            return
        await asyncio.sleep(0.05)
    raise BenchFailed("not_counting", f"PostgreSQL does not take pg_stat_statements.track = {which}")


def between(before: Counted, after: Counted) -> dict[str, Any]:
    """What was counted meanwhile; `statements` are those of `after`, so begin them anew at `before`."""
    return {
        "wal_bytes": after.wal_bytes - before.wal_bytes,
        "wal_records": after.wal_records - before.wal_records,
        "wal_full_pages": after.wal_full_pages - before.wal_full_pages,
        "rows": {place: after.rows[place] - before.rows.get(place, Rows()) for place in after.rows},
        "messages": {topic: after.messages[topic] - before.messages[topic] for topic in after.messages},
        "statements": after.statements,
    }


_STATEMENTS = """
    SELECT datname, query, calls, total_exec_time, rows, wal_bytes::bigint
    FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
    ORDER BY total_exec_time DESC
"""

_WAL = "SELECT wal_bytes::bigint, wal_records, wal_fpi FROM pg_stat_wal"

_ROWS = """
    SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables
"""
