"""Topic flows as the broker tells them: produced, consumed by each group, and what lies between."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.message import PARTITIONS
from holdfast.topics import ALL, OWNERS


class Flow(NamedTuple):
    """One topic. `lag` are messages not yet handled, by consumer group that ever acknowledged one of it."""

    topic: str
    produced: int
    lag: Mapping[str, int]


async def ends(client: Mapping[str, Any]) -> dict[TopicPartition, int]:
    """How far every partition of every topic was published: the offset that the next message will have."""
    consumer = AIOKafkaConsumer(**client)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for topic in ALL for partition in range(PARTITIONS)]
        found: dict[TopicPartition, int] = await consumer.end_offsets(places)
        return found
    finally:
        await consumer.stop()


async def flows(client: Mapping[str, Any]) -> list[Flow]:
    """Every topic, by name."""
    published = await ends(client)
    produced: dict[str, int] = defaultdict(int)
    for place, end in published.items():
        produced[place.topic] += end
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        lag: dict[str, dict[str, int]] = defaultdict(dict)
        for group in OWNERS:
            for place, committed in (await admin.list_consumer_group_offsets(group)).items():
                if place in published and committed.offset >= 0:
                    behind = max(published[place] - committed.offset, 0)
                    lag[place.topic][group] = lag[place.topic].get(group, 0) + behind
        return [Flow(topic, produced[topic], lag[topic]) for topic in sorted(ALL)]
    finally:
        await admin.close()
