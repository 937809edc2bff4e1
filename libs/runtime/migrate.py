"""Numbered SQL, applied in order, once, by one process at a time; an applied file never changes."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog

from runtime.db import Connection

log = structlog.get_logger()

_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK = 0x486F6C64  # any constant will do; every runner must use the same
_LONGEST = 3600.0
"""Seconds a migration may take, whatever the connection allows a statement otherwise."""
_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    component  text NOT NULL,
    number     integer NOT NULL,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (component, number)
)
"""


class MigrationError(Exception):
    """The database and the migration files do not fit; `code` says how."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `component` is the folder that holds the `migrations` folder (runtime, ledger, orders …)."""

    component: str
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(folder: Path) -> list[Migration]:
    """The migrations of one folder, numbered 1, 2, 3 … without a gap."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE.match(path.name)
        if not match:
            raise MigrationError("bad_name", f"{path.name}: name migrations like 0001_what_it_does.sql")
        found.append(Migration(folder.parent.name, int(match[1]), path.name, path.read_text()))
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationError("gap", f"{folder.parent.name}: migrations must be numbered 0001, 0002 … without a gap")
    return found


async def migrate(connection: Connection, folders: Sequence[Path]) -> list[str]:
    """Applies what is missing and returns its names; each file in a transaction of its own.

    Raises `MigrationError`: `changed` (an applied file was edited), `unknown` (the database is ahead of the files).
    """
    applied: list[str] = []
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=_LONGEST)
    try:
        await connection.execute(_TABLE)
        for folder in folders:
            applied += await _migrate_component(connection, read(folder))
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return applied


async def migrate_now(dsn: str, folders: Sequence[Path], within: float = 60.0) -> None:
    """The same as a job of its own, which waits for the database up to `within` seconds. Raises `MigrationError`, and
    what the database raises."""
    deadline = asyncio.get_running_loop().time() + within
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
            break
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)
    try:
        applied = await migrate(connection, folders)
    finally:
        await connection.close()
    log.info("migrated", migrations=applied)


async def _migrate_component(connection: Connection, migrations: Sequence[Migration]) -> list[str]:
    if not migrations:
        return []
    component = migrations[0].component
    rows = await connection.fetch("SELECT number, checksum FROM schema_migrations WHERE component = $1", component)
    known = {row["number"]: row["checksum"] for row in rows}
    if len(known) > len(migrations):
        raise MigrationError("unknown", f"{component}: the database has migration {max(known)}, the files do not")
    applied = []
    for migration in migrations:
        if migration.number in known:
            if known[migration.number] != migration.checksum:
                raise MigrationError("changed", f"{component}/{migration.name} was edited after it was applied")
            continue
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=_LONGEST)
            await connection.execute(
                "INSERT INTO schema_migrations (component, number, name, checksum) VALUES ($1, $2, $3, $4)",
                component,
                migration.number,
                migration.name,
                migration.checksum,
            )
        applied.append(f"{component}/{migration.name}")
    return applied
