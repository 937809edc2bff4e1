"""Kafka for the load: records in, batches by partition out, with as little work a message as can be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.message import PARTITIONS
from runtime import fetch_sessions

REQUEST_BYTES = 900_000
FETCH_BYTES = 8 * 1024 * 1024


class Wire:
    """A raw consumer of whole topics, from their ends on, and a producer that sends what was added when told."""

    def __init__(self, bootstrap: str, topics: Sequence[str]) -> None:
        fetch_sessions.install()  # as consumers of other makes have them
        self._topics = topics
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            enable_auto_commit=False,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=FETCH_BYTES // 4,
            check_crcs=False,
        )
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=REQUEST_BYTES)
        self._time = _time_text()
        self._waiting: dict[tuple[str, int], list[tuple[bytes, bytes, list[tuple[str, bytes]]]]] = {}
        self.sent = 0
        self.received = 0

    async def start(self) -> None:
        """Stands at the end of every topic: what is published from now on is read."""
        await self._producer.start()
        await self._consumer.start()
        places = [TopicPartition(topic, partition) for topic in self._topics for partition in range(PARTITIONS)]
        self._consumer.assign(places)
        await self._consumer.seek_to_end(*places)
        for place in places:
            await self._consumer.position(place)

    async def stop(self) -> None:
        await self._consumer.stop()
        await self._producer.stop()

    async def receive(self, seconds: float) -> list[Any]:
        """Records that are there, or come within `seconds`."""
        found = await self._consumer.getmany(timeout_ms=int(seconds * 1000), max_records=20_000)
        records = [record for some in found.values() for record in some]
        self._time = _time_text()
        self.received += len(records)
        return records

    def add(self, topic: str, partition: int, key: bytes, type: bytes, id: bytes, value: bytes) -> None:
        """A CloudEvent in binary mode, to go with the next `flush`."""
        headers = [
            ("ce_specversion", b"1.0"),
            ("ce_id", id),
            ("ce_type", type),
            ("ce_source", b"bench"),
            ("ce_time", self._time),
            ("ce_subject", key),
            ("content-type", b"application/json"),
        ]
        self._waiting.setdefault((topic, partition), []).append((key, value, headers))

    async def flush(self) -> None:
        """Sends what was added, each partition in order; returns when the broker has all of it."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        sent = []
        for (topic, partition), records in waiting.items():
            batch = self._producer.create_batch()
            for key, value, headers in records:
                if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
                    sent.append(await self._producer.send_batch(batch, topic, partition=partition))
                    batch = self._producer.create_batch()
                    batch.append(key=key, value=value, timestamp=None, headers=headers)
            sent.append(await self._producer.send_batch(batch, topic, partition=partition))
            self.sent += len(records)
        for one in sent:
            await one


def _time_text() -> bytes:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
