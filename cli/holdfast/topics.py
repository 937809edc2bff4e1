"""Topics are provisioned before anything runs, never made by use; how many partitions they have the broker tells."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.message import PARTITIONS
from contracts.registry import TOPICS, dead_letter_topic
from holdfast.embedded.errors import EmbeddedError

OWNERS = ("orders", "escrow", "deposits", "disputes", "identity", "payments", "carrier")
"""Who parks messages: the five services, and the two simulators."""

ALL = (*TOPICS, *(dead_letter_topic(owner) for owner in OWNERS))


async def provision(client: Mapping[str, Any], topics: Sequence[str] = ALL) -> list[str]:
    """Makes the topics that are missing, and returns them once every partition has a leader."""
    from runtime.provision import Unprovisioned, make_topics  # most only want to know the names of topics

    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        return await make_topics(admin, topics, PARTITIONS)
    except Unprovisioned as error:
        raise EmbeddedError(f"topics_{error.code}", str(error)) from None
    finally:
        await admin.close()


async def started(consumer: AIOKafkaConsumer) -> None:
    """Starts it with all topics known. It asks about one topic at a time that it never heard of, and waits a tenth of a
    second after each."""
    await consumer.start()
    await consumer._client.set_topics(ALL)


def places(consumer: AIOKafkaConsumer, topics: Collection[str] = ALL) -> list[TopicPartition]:
    """Every partition of these topics that the broker has, for a consumer that was `started`."""
    return [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in sorted(consumer.partitions_for_topic(topic) or ())
    ]
