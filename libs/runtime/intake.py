"""The Kafka side of the pump: FastStream's batch subscriber over all topics of a service, acknowledged by hand.

A batch is acknowledged after COMMIT, always. One that cannot be brought to an end is handed back, and fetched anew.
Only one batch is under way at a time, and the consumer stops fetching while it is: a service far behind does not grow.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from runtime.delivery import RawRecord, Reader
from runtime.pump import Pump, Unavailable
from runtime.settings import Settings
from runtime.tolerance import install

log = structlog.get_logger()

EMPTY_POLL_MS = 10
"""FastStream sleeps as long again after an empty poll, so this is also half of the longest idle delay."""
HEARTBEAT_MS = 1000
"""A replica learns by its heartbeat that others came or went, so this is what a change of shares takes."""
FETCH_BYTES = 4 * 1024 * 1024
PARTITION_FETCH_BYTES = 512 * 1024
"""What a consumer holds at most, fetched and not yet handled: bounded however far behind it is."""


class Intake:
    """A service's consumer. `handled` tells the next offset behind what is committed, by topic and partition: what the
    group acknowledged before this replica had its share, and what it handled since."""

    def __init__(self, settings: Settings, service: str, topics: tuple[str, ...], reader: Reader, pump: Pump) -> None:
        install()
        self._reader = reader
        self._pump = pump
        self._retry_for = settings.retry_for
        self.handled: dict[tuple[str, int], int] = {}
        self.topics = topics
        self.broker = KafkaBroker(
            settings.kafka_bootstrap.split(","),
            client_id=service,
            graceful_timeout=30.0,
            allow_auto_create_topics=False,
            logger=None,
        )
        session_ms = int(settings.session_timeout * 1000)
        self._subscriber: BatchSubscriber = self.broker.subscriber(
            *topics,
            group_id=service,
            batch=True,
            max_records=settings.batch_max,
            batch_timeout_ms=EMPTY_POLL_MS,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=min(session_ms // 4, HEARTBEAT_MS),
            max_poll_interval_ms=int(settings.poll_interval * 1000),
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES,
            parser=_parse,
            decoder=_decode,
            listener=_Shares(self._begin_share),
            no_reply=True,
            title=service,
        )
        self._subscriber(self._handle)
        self._looking_up: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Joins the group and begins to consume; raises if the broker cannot be reached."""
        await self.broker.start()

    async def stop(self) -> None:
        """Finishes the batch in hand, then leaves the group, so that others take over at once."""
        if self._looking_up:
            self._looking_up.cancel()
        await self.broker.stop()

    def assigned(self) -> set[TopicPartition]:
        """This replica's share; empty while it has none."""
        consumer = self._subscriber.consumer
        return set(consumer.assignment()) if consumer else set()

    def lag(self) -> int:
        """Messages on this replica's partitions that are not handled yet, as far as the consumer knows."""
        consumer = self._subscriber.consumer
        if not consumer:
            return 0
        behind = 0
        for place in consumer.assignment():
            end = consumer.highwater(place)
            done = self.handled.get((place.topic, place.partition))
            if end is not None and done is not None:
                behind += max(0, end - done)
        return behind

    def _begin_share(self, places: Collection[TopicPartition]) -> None:
        # Beside the consumer, not in its way: a share is taken up at once, whether the broker tells this soon or late.
        if self._looking_up:
            self._looking_up.cancel()
        self._looking_up = asyncio.create_task(self._look_up(places))

    async def _look_up(self, places: Collection[TopicPartition]) -> None:
        """What others of the group handled on these places, or this service before it was started."""
        consumer = self._subscriber.consumer
        assert consumer
        try:
            offsets = await asyncio.gather(*(consumer.committed(place) for place in places))
        except Exception as error:
            log.warning("acknowledged_offsets_unknown", error=repr(error))
            return
        for place, offset in zip(places, offsets, strict=True):
            if offset is not None:
                at = (place.topic, place.partition)
                self.handled[at] = max(self.handled.get(at, 0), offset)

    async def _handle(self, message: KafkaMessage) -> None:
        records: tuple[ConsumerRecord[Any, Any], ...] = message.raw_message
        try:
            deliveries = [
                self._reader.record(RawRecord(r.topic, r.partition, r.offset, r.key, r.headers, r.value))
                for r in records
            ]
            await self._pump.submit(deliveries, give_up_after=self._retry_for)
        except Exception as error:
            # Nothing may get past this: FastStream would go on with the next batch, and acknowledge this one with it.
            if isinstance(error, Unavailable):
                log.warning("batch_handed_back", error=str(error), messages=len(records))
            else:
                log.exception("batch_handed_back", messages=len(records))
                await asyncio.sleep(1)
            await message.nack()
            return
        for record in records:
            self.handled[record.topic, record.partition] = record.offset + 1
        try:
            await message.ack()
        except Exception as error:
            # The group moved on without us, or the broker is away. What was committed stays committed; whoever has
            # the partitions next gets these messages again, and the inbox drops them.
            log.warning("acknowledge_failed", error=repr(error))
            await asyncio.sleep(0.1)


class _Shares(ConsumerRebalanceListener):  # type: ignore[misc]
    """Calls back with every share that this replica is given."""

    def __init__(self, begin: Callable[[Collection[TopicPartition]], None]) -> None:
        self._begin = begin

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Nothing: what was handled stays handled."""

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._begin(assigned)


async def _parse(records: tuple[ConsumerRecord[Any, Any], ...], original: Callable[..., Awaitable[Any]]) -> Any:
    """FastStream's own parser decodes every header and skips a whole batch over one that is not UTF-8. Ours shows it
    a record without headers and keeps the batch as it came."""
    first = records[0]
    message = await original((ConsumerRecord(**{**first.__dict__, "headers": (), "value": b""}),))
    message.raw_message = records
    return message


async def _decode(message: KafkaMessage) -> Any:
    return message.body
