"""The check after every scenario, always the same: everything that was asked for happened once and in order, was told
once and in order, and nothing is left over."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.envelope import Envelope
from contracts.message import PARTITIONS
from tests.chaos.load import Written
from tests.toy.parts import Client
from tests.waiting import eventually

LEFT_OVER = """
SELECT (SELECT count(*) FROM outbox) AS outbox,
       (SELECT count(*) FROM dead_letters WHERE status IN ('failed', 'waiting')) AS dead_letters,
       (SELECT count(*) FROM parked_keys) AS parked_keys,
       (SELECT count(*) FROM timers WHERE due_at < now() - interval '1 second') AS overdue_timers
"""


async def settled(
    toy: str, mirror: str, bootstrap: str, written: Written, *, within: float = 30, publications: bool = True
) -> None:
    """Waits until all that was `written` is handled and told, then proves it; `toy` and `mirror` are the databases.

    `publications=False` spares reading the whole topic of events, where there are very many. Tallies that nothing was
    written of are the test's own affair.
    """
    await eventually(lambda: _handled(toy, "tallies", written), within=within)
    await eventually(lambda: _handled(mirror, "seen", written), within=within)
    await eventually(lambda: _acknowledged(bootstrap, "toy", "toy.commands.v1"), within=within)
    await eventually(lambda: _acknowledged(bootstrap, "mirror", "toy.events.v1"), within=within)
    await eventually(lambda: _nothing_left(toy), within=within)
    await eventually(lambda: _nothing_left(mirror), within=within)
    tallies = {row["id"]: row for row in await rows(toy, "SELECT id, version, state->'numbers' AS list FROM tallies")}
    seen = {row["id"]: row for row in await rows(mirror, "SELECT id, version, state->'totals' AS list FROM seen")}
    assert written.tallies <= tallies.keys() and written.tallies <= seen.keys()
    for tally in written.tallies:
        row = tallies[tally]
        numbers = msgspec.json.decode(row["list"])
        _one_effect_each_in_order(tally, numbers, written)
        assert row["version"] == len(numbers), f"{tally}: {len(numbers)} effects, but version {row['version']}"
        told = msgspec.json.decode(seen[tally]["list"])
        _same(f"{tally}: totals that mirror was told", told, list(accumulate(numbers)))
    for (tally, number), version in written.versions.items():
        numbers = msgspec.json.decode(tallies[tally]["list"])
        assert numbers[version - 1] == number, f"{tally}: HTTP answered version {version} for {number}, which is wrong"
    if publications:
        events = await Client(bootstrap).everything("toy.events.v1")
        _versions_without_gap(events, {tally: tallies[tally]["version"] for tally in written.tallies})


def _one_effect_each_in_order(tally: str, numbers: list[int], written: Written) -> None:
    writers = written.writers_of(tally)
    if len(writers) == 1:
        _same(f"{tally}: effects", numbers, writers[0])
    assert len(set(numbers)) == len(numbers), f"{tally}: something had its effect twice"
    assert set(numbers) == {number for writer in writers for number in writer}, f"{tally}: something is missing"
    place = {number: index for index, number in enumerate(numbers)}
    for writer in writers:
        for earlier, later in pairwise(writer):
            assert place[earlier] < place[later], f"{tally}: {later} overtook {earlier}"


def _versions_without_gap(events: Sequence[Envelope], versions: Mapping[str, int]) -> None:
    """Each version of each tally is published, in order; what was published again is dropped, as an inbox does."""
    known: set[str] = set()
    published: dict[str, list[int | None]] = {}
    for event in events:
        if event.id not in known and event.type == "toy.added.v1":
            known.add(event.id)
            published.setdefault(event.subject, []).append(event.sequence)
    for tally, version in versions.items():
        _same(f"{tally}: published versions", published[tally], list(range(1, version + 1)))


def _same(what: str, found: Sequence[Any], expected: Sequence[Any]) -> None:
    if found == expected:
        return
    differing = (i for i, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other)
    at = next(differing, min(len(found), len(expected)))
    raise AssertionError(
        f"{what}: {len(found)} instead of {len(expected)}, and from place {at} on "
        f"{list(found[at : at + 5])} instead of {list(expected[at : at + 5])}"
    )


async def _handled(database: str, table: str, written: Written) -> bool:
    sql = f"SELECT coalesce(sum(version), 0) AS done FROM {table} WHERE id = ANY($1)"
    (row,) = await rows(database, sql, list(written.tallies))
    assert row["done"] >= written.count, f"{table}: {row['done']} of {written.count} handled"
    return True


async def _nothing_left(database: str) -> bool:
    (row,) = await rows(database, LEFT_OVER)
    assert set(row.values()) == {0}, dict(row)
    return True


async def _acknowledged(bootstrap: str, group: str, topic: str) -> bool:
    places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(places)
        done = await admin.list_consumer_group_offsets(group, partitions=places)
    finally:
        await admin.close()
        await consumer.stop()
    behind = {place.partition: (done[place].offset, ends[place]) for place in places if ends[place]}
    behind = {partition: (at, end) for partition, (at, end) in behind.items() if at != end}
    assert not behind, f"{group} has not acknowledged: {behind}"
    return True


async def rows(database: str, sql: str, *args: object) -> list[Any]:
    """What a query gives, over a connection of its own; an assertion (not yet) while the database is away."""
    try:
        connection = await asyncpg.connect(database, timeout=5)
    except (OSError, asyncpg.PostgresError) as error:
        raise AssertionError(f"the database is away: {error!r}") from None
    try:
        return list(await connection.fetch(sql, *args))
    finally:
        await connection.close()


async def members(bootstrap: str, group: str) -> dict[str, set[tuple[str, int]]]:
    """The members of a consumer group and what each has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    finally:
        await admin.close()
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

    found: deque[tuple[str, set[tuple[str, int]]]] = deque()
    for _, _, _, _, _, described, *_ in answer.groups:
        for member_id, *_, assigned in described:
            given = ConsumerProtocolMemberAssignment.decode(assigned).assignment if assigned else []
            found.append((member_id, {(topic, part) for topic, parts in given for part in parts}))
    return dict(found)
