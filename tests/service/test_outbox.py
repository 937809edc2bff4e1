"""Messages share rows of the outbox, and come out of it as they went in."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

import runtime
from runtime import outbox
from runtime.migrate import migrate
from runtime.outbox import OutboxRow, Record
from runtime.writes import write


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    try:
        await migrate(connection, (runtime.MIGRATIONS,))
        yield connection
    finally:
        await connection.close()


def record(number: int, size: int = 300) -> Record:
    return Record("toy.events.v1", b"key-%d" % number, [("ce_id", b"%d" % number)], bytes(size))


def records_of(messages: list[OutboxRow]) -> list[Record]:
    return [Record(*message[1:5]) for message in messages]


@pytest.mark.parametrize("sizes", [[300] * 500, [0] * 500, [200_000], [10, 9_000, 10, 256 * 1024, 10], [7_000] * 3])
async def test_what_goes_in_comes_out_in_its_order(connection: Any, sizes: list[int]) -> None:
    put = [record(number, size) for number, size in enumerate(sizes)]
    await write(connection, outbox.writes(put))
    counted = await connection.fetchval("SELECT sum(messages) FROM outbox")
    taken = await outbox.take(connection, 1_000)
    assert records_of(taken.messages) == put
    assert counted == len(put)
    assert await outbox.take(connection, 1_000) == (0, [])


async def test_messages_share_rows_that_fit_into_a_page(connection: Any) -> None:
    put = [record(number) for number in range(500)]
    await write(connection, outbox.writes(put))
    rows, largest, elsewhere = await connection.fetchrow(
        "SELECT count(*), max(pg_column_size(packed)), (SELECT pg_relation_size(reltoastrelid) FROM pg_class "
        "WHERE oid = 'outbox'::regclass) FROM outbox"
    )
    assert rows < len(put) / 8
    assert largest < 8_192 and elsewhere == 0


async def test_the_oldest_rows_are_taken_first(connection: Any) -> None:
    for number in range(3):
        await write(connection, outbox.writes([record(number)]))
    assert records_of((await outbox.take(connection, 2)).messages) == [record(0), record(1)]
    assert records_of((await outbox.take(connection, 2)).messages) == [record(2)]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_one_message_is_taken_out_of_its_row(connection: Any, place: int) -> None:
    put = [record(number) for number in range(4)]
    await write(connection, outbox.writes(put[:3]))
    await write(connection, outbox.writes(put[3:]))
    # given a relay that could not publish what it had taken
    transaction = connection.transaction()
    await transaction.start()
    refused = (await outbox.take(connection, 9)).messages[place]
    await transaction.rollback()
    # when
    await outbox.remove(connection, refused)
    # then
    left = put[:place] + put[place + 1 :]
    assert await connection.fetchval("SELECT sum(messages) FROM outbox") == 3
    assert records_of((await outbox.take(connection, 9)).messages) == left


async def test_a_row_whose_only_message_is_taken_out_is_gone(connection: Any) -> None:
    await write(connection, outbox.writes([record(1)]))
    only = (await connection.fetchrow("SELECT id FROM outbox"))[0]
    await outbox.remove(connection, OutboxRow(only, *record(1)))
    assert await connection.fetchval("SELECT count(*) FROM outbox") == 0


async def test_rows_of_the_release_before_are_published_in_their_place(connection: Any) -> None:
    put = [record(number) for number in range(4)]
    await write(connection, outbox.writes(put[:2]))
    headers = msgspec.msgpack.encode(put[2].headers)
    alone = "INSERT INTO outbox (topic, key, headers, value) VALUES ($1, $2, $3, $4) RETURNING id"
    old = await connection.fetchval(alone, put[2].topic, put[2].key, headers, put[2].value)
    await write(connection, outbox.writes(put[3:]))
    assert await connection.fetchval("SELECT sum(messages) FROM outbox") == 4
    transaction = connection.transaction()
    await transaction.start()
    assert records_of((await outbox.take(connection, 9)).messages) == put
    await transaction.rollback()
    await outbox.remove(connection, OutboxRow(old, *put[2]))
    assert records_of((await outbox.take(connection, 9)).messages) == [*put[:2], put[3]]
