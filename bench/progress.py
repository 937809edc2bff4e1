"""Whether services get on, as Kafka knows it: a service acknowledges what it has committed, and nothing else."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from bench.outside import BenchFailed

WITHIN, POLL = 60.0, 0.1
"""Seconds."""


async def acknowledged(bootstrap: str, services: Sequence[str]) -> dict[str, int]:
    """Messages that each service acknowledged to Kafka, which it does after COMMIT; 0 while the server cannot tell."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5_000)
    try:
        await client.start()
        return {name: await _sum(client, name) for name in services}
    except KafkaError:
        return dict.fromkeys(services, 0)
    finally:
        await client.close()


async def _sum(client: AIOKafkaAdminClient, group: str) -> int:
    return sum(one.offset for one in (await client.list_consumer_group_offsets(group)).values() if one.offset > 0)


async def progressed(bootstrap: str, before: Mapping[str, int], look: Callable[[], None] = lambda: None) -> None:
    """Returns when each of these services has acknowledged more than when this began, which is not less than `before`;
    `look` is called meanwhile. Raises BenchFailed (no_progress)."""
    deadline = time.monotonic() + WITHIN
    began: dict[str, int] = {}
    waiting = set(before)
    while waiting:
        look()
        told = await acknowledged(bootstrap, sorted(waiting))
        for name, offsets in told.items():
            if offsets >= before[name] and offsets > began.setdefault(name, offsets):
                waiting.discard(name)
            elif offsets < before[name]:
                began.pop(name, None)
        if time.monotonic() > deadline:
            raise BenchFailed("no_progress", f"{', '.join(sorted(waiting))}: nothing for {WITHIN:g} s")
        await asyncio.sleep(POLL)
