"""Topics are provisioned before anything runs, never made by use."""

from collections.abc import Mapping, Sequence
from typing import Any

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
