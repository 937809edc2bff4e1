"""Migrations on a real database: in order, once, by one process at a time, and never anything unclear."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

import runtime
from runtime.migrate import MigrationError, migrate, migrate_now
from tests.chaos.proxy import Loss, proxied

FIRST = "CREATE TABLE first (id int);"
SECOND = "ALTER TABLE first ADD COLUMN name text; INSERT INTO first VALUES (1, 'one');"


def folder(place: Path, *files: str, component: str = "thing", **named: str) -> Path:
    """A migrations folder; `files` are numbered from 1."""
    made = place / component / "migrations"
    made.mkdir(parents=True, exist_ok=True)
    for number, sql in enumerate(files, start=1):
        (made / f"{number:04}_step.sql").write_text(sql)
    for name, sql in named.items():
        (made / f"{name}.sql").write_text(sql)
    return made


async def run(database: str, *folders: Path) -> list[str]:
    connection = await asyncpg.connect(database)
    try:
        return await migrate(connection, folders)
    finally:
        await connection.close()


async def fails(database: str, *folders: Path) -> str:
    with pytest.raises(MigrationError) as raised:
        await run(database, *folders)
    return raised.value.code


async def value(database: str, sql: str) -> object:
    connection = await asyncpg.connect(database)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_what_is_missing_is_applied_in_order_and_once(database: str, tmp_path: Path) -> None:
    thing = folder(tmp_path, FIRST, SECOND)
    assert await run(database, thing) == ["thing/0001_step.sql", "thing/0002_step.sql"]
    assert await run(database, thing) == []
    folder(tmp_path, FIRST, SECOND, "INSERT INTO first VALUES (2, 'two');")
    assert await run(database, thing) == ["thing/0003_step.sql"]
    assert await value(database, "SELECT count(*) FROM first") == 2


async def test_components_are_numbered_apart(database: str, tmp_path: Path) -> None:
    thing, other = folder(tmp_path, FIRST), folder(tmp_path, "CREATE TABLE other (id int);", component="other")
    applied = await run(database, runtime.MIGRATIONS, thing, other)
    assert applied[-2:] == ["thing/0001_step.sql", "other/0001_step.sql"]
    assert applied[0] == "runtime/0001_runtime.sql"


async def test_a_file_that_was_edited_after_it_was_applied_is_refused(database: str, tmp_path: Path) -> None:
    thing = folder(tmp_path, FIRST, SECOND)
    await run(database, thing)
    (thing / "0001_step.sql").write_text(FIRST + " -- only a comment")
    (thing / "0003_step.sql").write_text("DROP TABLE first;")
    assert await fails(database, thing) == "changed"
    assert await value(database, "SELECT count(*) FROM first") == 1


async def test_a_database_ahead_of_the_files_is_refused(database: str, tmp_path: Path) -> None:
    await run(database, folder(tmp_path / "new", FIRST, SECOND))
    assert await fails(database, folder(tmp_path / "old", FIRST)) == "unknown"


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"0002_late": FIRST}, "gap"),
        ({"0001_one": FIRST, "0003_three": SECOND}, "gap"),
        ({"0001_one": FIRST, "0001_same": SECOND}, "gap"),
        ({"0000_zero": FIRST}, "gap"),
        ({"1_one": FIRST}, "bad_name"),
        ({"0001-one": FIRST}, "bad_name"),
        ({"0001_One": FIRST}, "bad_name"),
    ],
)
async def test_files_that_leave_the_order_open_are_refused_before_anything_is_done(
    database: str, tmp_path: Path, named: dict[str, str], code: str
) -> None:
    assert await fails(database, folder(tmp_path, **named)) == code
    assert await value(database, "SELECT to_regclass('first')") is None


async def test_a_file_that_fails_leaves_nothing_of_itself_and_all_before_it(database: str, tmp_path: Path) -> None:
    broken = folder(tmp_path, FIRST, "INSERT INTO first VALUES (1); SELECT 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await run(database, broken)
    assert await value(database, "SELECT count(*) FROM first") == 0
    # and when it is put right, goes on from there
    folder(tmp_path, FIRST, SECOND)
    assert await run(database, broken) == ["thing/0002_step.sql"]


async def test_processes_that_start_together_apply_each_file_once(database: str, tmp_path: Path) -> None:
    slow = folder(tmp_path, "SELECT pg_sleep(0.3); CREATE TABLE first (id int);", SECOND)
    applied = await asyncio.gather(*(run(database, slow) for _ in range(6)))
    assert sorted(applied) == [[]] * 5 + [["thing/0001_step.sql", "thing/0002_step.sql"]]


async def test_a_migration_may_take_longer_than_a_statement_may(database: str, tmp_path: Path) -> None:
    slow = folder(tmp_path, "SELECT pg_sleep(0.5); CREATE TABLE first (id int);")
    connection = await asyncpg.connect(database, command_timeout=0.2)
    try:
        assert await migrate(connection, [slow]) == ["thing/0001_step.sql"]
    finally:
        await connection.close()


@pytest.mark.parametrize("loss", [Loss.REQUEST, Loss.REPLY])
async def test_a_migration_whose_commit_was_lost_is_applied_once(database: str, tmp_path: Path, loss: Loss) -> None:
    thing = folder(tmp_path, FIRST, SECOND)
    async with proxied(database) as network:
        left = [loss]
        network.lose = lambda is_relay: left.pop() if left else Loss.NOTHING
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await run(network.url, thing)
        applied = await run(network.url, thing)
    assert len(applied) == (2 if loss is Loss.REQUEST else 1)
    assert await value(database, "SELECT count(*) FROM first") == 1


async def test_as_a_job_a_service_brings_its_database_up_to_date_and_ends(database: str) -> None:
    settings = {
        "HOLDFAST_DATABASE_URL": database,
        "HOLDFAST_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "HOLDFAST_ENVIRONMENT": "development",
    }
    for _ in range(2):
        job = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "escrow", "--migrate", env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await job.communicate()
        assert job.returncode == 0, told
    assert await value(database, "SELECT count(DISTINCT component) FROM schema_migrations") == 3
    assert await value(database, "SELECT count(*) FROM outbox") == 0


async def test_a_job_whose_database_stays_away_fails(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await migrate_now("postgresql://nobody@127.0.0.1:1/nothing", [folder(tmp_path, FIRST)], within=0.6)
