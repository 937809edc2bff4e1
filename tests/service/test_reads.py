"""One statement admits, looks for parked keys and locks: what it may miss of somebody it waited for is read again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

import runtime
from contracts.envelope import encode
from runtime import inbox, parking
from runtime.batch import Answer, Duplicate, Handler, Parked
from runtime.clock import RealClock
from runtime.delivery import Delivery, RawRecord, Reader
from runtime.fold import Done
from runtime.ids import new_id
from runtime.inbox import inbox_id
from runtime.migrate import migrate
from runtime.reads import Read, read
from tests.toy import toy
from tests.toy.parts import add
from tests.waiting import eventually

CLOCK = RealClock()
HANDLER = Handler(toy.TOY, CLOCK)


@pytest.fixture
async def connections(database: str) -> AsyncIterator[tuple[Any, Any]]:
    """Ours, and somebody else's, who is in a transaction."""
    ours, theirs = await asyncpg.connect(database), await asyncpg.connect(database)
    await migrate(ours, (runtime.MIGRATIONS, toy.MIGRATIONS))
    yield ours, theirs
    await ours.close()
    await theirs.close()


def delivery(number: int) -> Delivery:
    """A command for the tally `k`."""
    topic, key, headers, value = encode(
        add("k", number), id=new_id(), source="tests", time=CLOCK.now(), correlation_id="k", causation_id="", sequence=0
    )
    return Reader(toy.TOY).record(RawRecord(topic, 0, number, key, headers, value))


async def handled(connection: Any, *deliveries: Delivery) -> list[Answer]:
    async with connection.transaction():
        batch = await HANDLER.apply(connection, deliveries)
    return [batch.answers[id(one)] for one in deliveries]


async def waits(observer: Any, pid: int) -> bool:
    sql = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
    return bool(await observer.fetchval(sql, pid))


async def test_what_a_replica_made_of_the_same_messages_is_seen(connections: tuple[Any, Any]) -> None:
    ours, theirs = connections
    first, second = delivery(1), delivery(2)
    # given a replica that lost its share, and makes the tally of a message that we are handed, too
    zombie = theirs.transaction()
    await zombie.start()
    await HANDLER.apply(theirs, [first])
    # when we wait for it
    handling = asyncio.create_task(handled(ours, first, second))
    await eventually(lambda: waits(theirs, ours.get_server_pid()))
    await zombie.commit()
    # then the next message finds the tally
    duplicate, done = await handling
    assert isinstance(duplicate, Duplicate)
    assert isinstance(done, Done)
    assert (done.version, done.state) == (2, toy.Tally(3, (1, 2)))


@pytest.mark.parametrize("before", [(), (7,)], ids=["which makes the tally", "which changes the tally"])
async def test_a_replay_is_waited_for_and_what_it_did_is_seen(
    connections: tuple[Any, Any], before: tuple[int, ...]
) -> None:
    ours, theirs = connections
    first, second = delivery(1), delivery(2)
    # given a parked key, which another replica is about to replay
    await handled(ours, *map(delivery, before))
    async with ours.transaction():
        await parking.park(ours, [parking.letter(first, "k", ValueError("was wrong"), behind=False)], CLOCK.now())
    replay = theirs.transaction()
    await replay.start()
    letters = await parking.letters_of(theirs, "k", 10)
    # when the next message comes meanwhile, then it waits, and is in nobody's way
    handling = asyncio.create_task(handled(ours, second))
    await eventually(lambda: waits(theirs, ours.get_server_pid()))
    await HANDLER.apply(theirs, [first], replaying="k")
    await parking.resolve(theirs, [letter.seq for letter in letters], "replayed", "op", "mended", CLOCK.now())
    await replay.commit()
    # and finds what the replay did
    (done,) = await handling
    assert isinstance(done, Done)
    assert done.state == toy.Tally(sum(before) + 3, (*before, 1, 2))


async def test_a_key_that_a_replay_did_not_free_stands_still(connections: tuple[Any, Any]) -> None:
    ours, theirs = connections
    first, second = delivery(1), delivery(2)
    async with ours.transaction():
        await parking.park(ours, [parking.letter(first, "k", ValueError("is wrong"), behind=False)], CLOCK.now())
    replay = theirs.transaction()
    await replay.start()
    await parking.letters_of(theirs, "k", 10)
    handling = asyncio.create_task(handled(ours, second))
    await eventually(lambda: waits(theirs, ours.get_server_pid()))
    await replay.rollback()
    assert [type(answer) for answer in await handling] == [Parked]


async def test_reads_go_together_in_their_order(connections: tuple[Any, Any]) -> None:
    connection, _ = connections
    ids = [inbox_id("tests", new_id()) for _ in range(3)]
    async with connection.transaction():
        assert await read(connection, [inbox.admission(ids[:2])]) == [[]]
        numbers = Read(
            "SELECT n::text, n, to_json(n) FROM unnest($1::bigint[]) AS given (n) ORDER BY given.n DESC", [1, 2]
        )
        seen, found, again = await read(connection, [inbox.admission(ids), numbers, numbers])
    assert inbox.ids(seen) == set(ids[:2])
    assert [tuple(record) for record in found] == [(1, "2", 2, "2"), (1, "1", 1, "1")]
    assert [record[0] for record in again] == [2, 2]
    assert await read(connection, []) == []
