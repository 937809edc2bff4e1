"""What the contracts declare beside what is seen on the topics (X6): declared but silent, observed but undeclared."""

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from holdfast.flows import Flow
from holdfast.interrupts import held_back
from holdfast.topics import ALL, places, started

SAMPLE = 200
"""Messages of each partition that are looked at: the last ones."""
WITHIN = 10.0
"""Seconds; what was not read by then is left out."""


class Seen(NamedTuple):
    """A message type as it was met on a topic, by whom (`ce_source`), so many times."""

    topic: str
    type: str
    source: str
    times: int


class Declared(NamedTuple):
    """Who may write to a topic and who reads it, and the types that belong there."""

    writers: frozenset[str]
    readers: frozenset[str]
    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """`silent`: types, by topic, that nobody sent lately; `undeclared`: in words, what nobody declared."""

    silent: Mapping[str, tuple[str, ...]]
    undeclared: tuple[str, ...]


@cache
def declared() -> dict[str, Declared]:
    """By topic, as the contracts and the services' tables have it. "others" are systems of others."""
    with held_back():
        from contracts.message import is_command  # every service is imported by what follows
        from contracts.registry import REGISTRY, dead_letter_topic
        from holdfast import pictures
        from holdfast.tables import SERVICES

    sent = {service.name: pictures.sent(service) for service in SERVICES}
    found = {}
    for topic in ALL:
        types = frozenset(name for name, message in REGISTRY.items() if topic == message.TOPIC)
        readers = frozenset(service.name for service in SERVICES if topic in service.topics)
        writers = {service.name for service in SERVICES if topic in sent[service.name]}
        writers |= {
            service.name for service in SERVICES if topic in (service.refusal.TOPIC, dead_letter_topic(service.name))
        }
        if is_command(topic):
            writers.add("others")
        found[topic] = Declared(frozenset(writers), readers, types)
    return found


def compared(
    declared: Mapping[str, Declared], seen: Collection[Seen], flows: Collection[Flow], topics: Collection[str] = ()
) -> Compared:
    """What is on one side only; `topics` are all that the broker has. Types of a dead-letter topic are those of what
    is parked. Pure."""
    met: dict[str, set[str]] = {}
    undeclared = [f"{name}: no topic of ours" for name in sorted(set(topics) - declared.keys())]
    for one in sorted(seen):
        met.setdefault(one.topic, set()).add(one.type)
        topic = declared[one.topic]
        if topic.types and one.type not in topic.types:
            undeclared.append(
                f"{one.topic}: {one.type or 'no message'} from {one.source or 'nobody'}, {one.times} times"
            )
        elif topic.types and one.source not in topic.writers and "others" not in topic.writers:
            undeclared.append(f"{one.topic}: {one.type} is written by {one.source or 'nobody'}, {one.times} times")
    for flow in flows:
        for group in sorted(set(flow.lag) - declared[flow.topic].readers):
            undeclared.append(f"{flow.topic}: read by the group {group}")
    silent = {
        name: tuple(sorted(topic.types - met.get(name, set())))
        for name, topic in declared.items()
        if topic.types - met.get(name, set())
    }
    return Compared(silent, tuple(undeclared))


async def existing(client: Mapping[str, Any]) -> frozenset[str]:
    """Every topic that the broker has and shows us, but those of its own."""
    admin = AIOKafkaAdminClient(**client)
    try:
        await admin.start()
        return frozenset(name for name in await admin.list_topics() if not name.startswith("__"))
    finally:
        await admin.close()


async def sampled(client: Mapping[str, Any], flows: Collection[Flow]) -> list[Seen]:
    """The last messages of every topic that has any: at most `SAMPLE` a partition."""
    consumer = AIOKafkaConsumer(**client, enable_auto_commit=False)
    try:
        await started(consumer)
        written = places(consumer, [flow.topic for flow in flows if flow.produced])
        if not written:
            return []
        begins, ends = await consumer.beginning_offsets(written), await consumer.end_offsets(written)
        left = {place: end for place, end in ends.items() if begins[place] < end}
        consumer.assign(list(left))
        for place, end in left.items():
            consumer.seek(place, max(begins[place], end - SAMPLE))
        times: dict[tuple[str, str, str], int] = {}
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                while left:
                    for records in (await consumer.getmany(*left, timeout_ms=500, max_records=2_000)).values():
                        for record in records:
                            headers = dict(record.headers)
                            key = (record.topic, _text(headers.get("ce_type")), _text(headers.get("ce_source")))
                            times[key] = times.get(key, 0) + 1
                    left = {place: end for place, end in left.items() if await consumer.position(place) < end}
        return [Seen(*key, number) for key, number in times.items()]
    finally:
        await consumer.stop()


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="backslashreplace")[:100]
