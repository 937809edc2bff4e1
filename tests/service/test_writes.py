"""Writes that go in one statement: each has its own parameters, all or none stay; and what a relay takes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

import runtime
from runtime import outbox, parking, timers
from runtime.decision import Ref
from runtime.fold import Versioned
from runtime.migrate import migrate
from runtime.outbox import Record
from runtime.repository import Repository
from runtime.writes import ConcurrentUpdate, write
from tests.toy import toy

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OLD, NEW = Ref("tallies", "old"), Ref("tallies", "new")
REPOSITORY = Repository(toy.TOY)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    """To a database where the aggregate `OLD` stands at version 1."""
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
    await write(connection, REPOSITORY.writes({}, {OLD: Versioned(toy.Tally(1, (1,)), 1)}))
    yield connection
    await connection.close()


def record(key: str, number: int = 0) -> Record:
    return Record("toy.events.v1", key.encode(), [("ce_id", b"%d" % number)], b"{}")


async def test_writes_of_every_kind_go_together(connection: Any) -> None:
    before = {OLD: Versioned(toy.Tally(1, (1,)), 1)}
    after = {OLD: Versioned(toy.Tally(3, (1, 2)), 2), NEW: Versioned(toy.Tally(9, (9,)), 1)}
    await write(connection, timers.writes({(OLD, "bell"): NOON, (OLD, "horn"): NOON}))
    await write(
        connection,
        [
            *REPOSITORY.writes(before, after),
            *timers.writes({(OLD, "bell"): None, (OLD, "horn"): NOON + timedelta(hours=1), (NEW, "bell"): NOON}),
            *outbox.writes([record("new", number) for number in range(3)]),
        ],
    )
    assert (await REPOSITORY.load(connection, after)).states == after
    assert [timer[:2] for timer in await timers.due(connection, NOON + timedelta(days=1), 9)] == [
        (NEW, "bell"),
        (OLD, "horn"),
    ]
    assert [row.headers for row in (await outbox.take(connection, 9)).messages] == [
        [("ce_id", b"%d" % n)] for n in range(3)
    ]
    await write(connection, [])


@pytest.mark.parametrize(
    ("loaded", "changed"),
    [
        ({OLD: Versioned(toy.Tally(), 7)}, {OLD: Versioned(toy.Tally(), 8)}),
        ({}, {OLD: Versioned(toy.Tally(), 1)}),
        ({}, {OLD: Versioned(toy.Tally(), 1), NEW: Versioned(toy.Tally(), 1)}),
    ],
    ids=["changed by others", "made by others", "one of two made by others"],
)
async def test_a_lost_race_leaves_nothing(connection: Any, loaded: Any, changed: Any) -> None:
    with pytest.raises(ConcurrentUpdate, match=r"0 of 1|1 of 2"):
        async with connection.transaction():
            await write(connection, [*REPOSITORY.writes(loaded, changed), *outbox.writes([record("old")])])
    assert (await REPOSITORY.load(connection, [OLD, NEW])).states == {OLD: Versioned(toy.Tally(1, (1,)), 1)}
    assert await outbox.take(connection, 9) == (0, [])


async def test_rows_behind_one_that_was_set_aside_are_held(connection: Any) -> None:
    """Until an operator has resolved it: what was decided later for the same key must not overtake it."""
    await write(connection, outbox.writes([record("large", 1), record("large", 2), record("other", 3)]))
    first = (await connection.fetchrow("SELECT min(id) FROM outbox"))[0]
    await parking.set_aside(connection, outbox.OutboxRow(first, *record("large", 1)), "too large")
    taken = (await outbox.take(connection, 9)).messages
    assert [(row.key, row.held) for row in taken] == [(b"large", True), (b"other", False)]
    assert [row.key for row in await parking.hold_back(connection, taken)] == [b"other"]
    letters = await parking.letters_of(connection, "large", 9)
    assert [(letter.code, letter.status) for letter in letters] == [("undeliverable", "failed"), ("behind", "waiting")]

    await parking.resolve(connection, [letter.seq for letter in letters], "replayed", "op", "smaller now", NOON)
    await write(connection, outbox.writes([record("large", 4)]))
    assert [row.held for row in (await outbox.take(connection, 9)).messages] == [False]
