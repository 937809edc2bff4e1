"""Another system that listens: every event of the services, as anybody could read it from Kafka."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer

from contracts.envelope import Envelope, read
from contracts.registry import TOPICS
from holdfast.topics import places, started

EVENTS = tuple(topic for topic in TOPICS if ".events." in topic)


class Watch:
    """Reads all event topics from their end on. `heard` are the events since the last `take`, in order for each key."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._consumer = AIOKafkaConsumer(**client, auto_offset_reset="earliest", enable_auto_commit=False)
        self._seen: dict[str, int] = {}
        self._heard: list[tuple[Envelope, dict[str, Any]]] = []
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.types: Counter[str] = Counter()

    async def __aenter__(self) -> "Watch":
        await started(self._consumer)
        every = places(self._consumer, EVENTS)
        self._consumer.assign(every)
        await self._consumer.seek_to_end(*every)
        for place in every:
            self._seen[f"{place.topic}/{place.partition}"] = await self._consumer.position(place)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()

    async def _read(self) -> None:
        while True:
            for place, records in (await self._consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    envelope = read(record.headers, record.key, record.value)
                    self.types[envelope.type] += 1
                    self._heard.append((envelope, msgspec.json.decode(envelope.data)))
                self._seen[f"{place.topic}/{place.partition}"] = records[-1].offset + 1
            self._moved.set()

    async def take(self, published: Mapping[str, int]) -> list[tuple[Envelope, dict[str, Any]]]:
        """What was heard since the last call, once everything up to `published` (topic/partition → offset) was."""
        async with asyncio.timeout(30):
            while any(self._seen[place] < end for place, end in published.items() if place in self._seen):
                self._moved.clear()
                await self._moved.wait()
        heard, self._heard = self._heard, []
        return heard
