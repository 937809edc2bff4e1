"""Topics are provisioned before anything runs, never made by use."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from contracts.message import PARTITIONS
from contracts.registry import TOPICS, dead_letter_topic
from holdfast.embedded import EmbeddedError

OWNERS = ("orders", "escrow", "deposits", "disputes", "identity", "payments", "carrier")
"""Who parks messages: the five services, and the two simulators."""

LEADERS_WITHIN = 30
"""Seconds."""

ALL = (*TOPICS, *(dead_letter_topic(owner) for owner in OWNERS))


async def provision(client: Mapping[str, Any], topics: Sequence[str] = ALL) -> list[str]:
    """Makes the topics that are missing, and returns them once every partition has a leader."""
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        known = set(await admin.list_topics())
        missing = [topic for topic in topics if topic not in known]
        if missing:
            await admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in missing])
        for _ in range(LEADERS_WITHIN * 20):
            if await _led(admin, topics):
                return missing
            await asyncio.sleep(0.05)
        raise EmbeddedError("topics_without_leader", f"Kafka gave some topics no leader within {LEADERS_WITHIN} s")
    finally:
        await admin.close()


async def _led(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> bool:
    described = await admin.describe_topics(list(topics))
    return len(described) == len(topics) and all(
        topic["error_code"] == 0
        and len(topic["partitions"]) == PARTITIONS
        and all(partition["error_code"] == 0 and partition["leader"] >= 0 for partition in topic["partitions"])
        for topic in described
    )
