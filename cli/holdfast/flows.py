"""Topic flows as the broker tells them: produced, consumed by each group, and what lies between."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from holdfast.topics import OWNERS, places, started

LATELY = 60
"""Seconds that the rate of a topic is counted over."""
LOOKED_AT = 1.0
"""Seconds for the records at which groups stand."""


class Flow(NamedTuple):
    """One topic. `a_second` are messages written a second, over the last minute; `lag` messages not yet handled, by
    consumer group that ever acknowledged one of it; `behind` the age of the oldest of these in seconds of real time,
    where there is any."""

    topic: str
    produced: int
    lag: Mapping[str, int]
    a_second: float = 0.0
    behind: Mapping[str, float] = {}


async def ends(client: Mapping[str, Any]) -> dict[TopicPartition, int]:
    """How far every partition of every topic was published: the offset that the next message will have."""
    consumer = AIOKafkaConsumer(**client)
    try:
        await started(consumer)
        found: dict[TopicPartition, int] = await consumer.end_offsets(places(consumer))
        return found
    finally:
        await consumer.stop()


async def flows(client: Mapping[str, Any]) -> list[Flow]:
    """Every topic that is declared, by name. Groups of others are shown where they read one of these."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False)
    admin = AIOKafkaAdminClient(**client)
    try:
        await asyncio.gather(started(consumer), admin.start())
        since, every = int((time.time() - LATELY) * 1000), places(consumer)
        published, lately, stands = await asyncio.gather(
            consumer.end_offsets(every),
            consumer.offsets_for_times(dict.fromkeys(every, since)),
            _stands(admin),
        )
        ages: dict[tuple[str, int, int], float] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_AT):
                for some in rounds(waiting(published, stands)):
                    await _ages(consumer, some, ages)
        return told(published, {place: at.offset for place, at in lately.items() if at}, stands, ages)
    finally:
        await asyncio.gather(consumer.stop(), admin.close())


async def _stands(admin: AIOKafkaAdminClient) -> dict[str, dict[TopicPartition, int]]:
    """By group, the offset up to which it acknowledged each partition."""
    groups = {*OWNERS, *(group[0] for group in await admin.list_consumer_groups())}

    async def of(group: str) -> dict[TopicPartition, int]:
        found = await admin.list_consumer_group_offsets(group)
        return {place: committed.offset for place, committed in found.items() if committed.offset >= 0}

    return dict(zip(groups, await asyncio.gather(*map(of, groups)), strict=True))


async def _ages(
    consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int], found: dict[tuple[str, int, int], float]
) -> None:
    """Adds to `found` the age in seconds of the records at these offsets, by topic, partition and offset."""
    consumer.assign(list(offsets))
    for place, offset in offsets.items():
        consumer.seek(place, offset)
    now = time.time()
    while missing := [place for place in offsets if (*place, offsets[place]) not in found]:
        for place, records in (await consumer.getmany(*missing, timeout_ms=100, max_records=500)).items():
            found.setdefault((*place, offsets[place]), max(now - records[0].timestamp / 1000, 0.0))


def waiting(
    published: Mapping[TopicPartition, int], stands: Mapping[str, Mapping[TopicPartition, int]]
) -> dict[TopicPartition, list[int]]:
    """Of each partition that somebody has not read to its end, the offsets at which groups stand, in order. Pure."""
    found: dict[TopicPartition, set[int]] = defaultdict(set)
    for stood in stands.values():
        for place, offset in stood.items():
            if offset < published.get(place, 0):
                found[place].add(offset)
    return {place: sorted(offsets) for place, offsets in found.items()}


def rounds(offsets: Mapping[TopicPartition, Sequence[int]]) -> list[dict[TopicPartition, int]]:
    """The same, one offset of each partition at a time: a consumer stands at one only. Pure."""
    longest = max(map(len, offsets.values()), default=0)
    return [{place: some[number] for place, some in offsets.items() if number < len(some)} for number in range(longest)]


def told(
    published: Mapping[TopicPartition, int],
    lately: Mapping[TopicPartition, int],
    stands: Mapping[str, Mapping[TopicPartition, int]],
    ages: Mapping[tuple[str, int, int], float],
) -> list[Flow]:
    """The flows, by topic. `lately` is the first offset of the last minute where there is one. Pure."""
    produced: dict[str, int] = defaultdict(int)
    recent: dict[str, int] = defaultdict(int)
    for place, end in published.items():
        produced[place.topic] += end
        recent[place.topic] += end - lately.get(place, end)
    lag: dict[str, dict[str, int]] = defaultdict(dict)
    behind: dict[str, dict[str, float]] = defaultdict(dict)
    for group, stood in sorted(stands.items()):
        for place, offset in stood.items():
            if place not in published:
                continue
            left = max(published[place] - offset, 0)
            lag[place.topic][group] = lag[place.topic].get(group, 0) + left
            age = ages.get((*place, offset))
            if left and age is not None:
                behind[place.topic][group] = max(age, behind[place.topic].get(group, 0.0))
    return [
        Flow(topic, produced[topic], lag[topic], round(recent[topic] / LATELY, 1), behind[topic])
        for topic in sorted(produced)
    ]
