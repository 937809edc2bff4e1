"""Topic flows as the broker tells them: produced, consumed by each group, and what lies between."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.message import PARTITIONS
from holdfast.topics import ALL, OWNERS


class Flow(NamedTuple):
    """One topic. `lag` are messages not yet handled, by consumer group that ever acknowledged one of it."""

    topic: str
    produced: int
    lag: Mapping[str, int]


async def flows(bootstrap: str) -> list[Flow]:
    """Every topic, by name."""
    places = [TopicPartition(topic, partition) for topic in ALL for partition in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await consumer.start()
    await admin.start()
    try:
        ends = await consumer.end_offsets(places)
        produced: dict[str, int] = defaultdict(int)
        for place, end in ends.items():
            produced[place.topic] += end
        lag: dict[str, dict[str, int]] = defaultdict(dict)
        for group in OWNERS:
            for place, committed in (await admin.list_consumer_group_offsets(group)).items():
                if place in ends and committed.offset >= 0:
                    behind = ends[place] - committed.offset
                    lag[place.topic][group] = lag[place.topic].get(group, 0) + behind
        return [Flow(topic, produced[topic], lag[topic]) for topic in sorted(ALL)]
    finally:
        await admin.close()
        await consumer.stop()
