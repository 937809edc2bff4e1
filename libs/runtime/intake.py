"""The Kafka side of the pump: FastStream's batch subscriber over all topics of a service, acknowledged by hand.

A batch is acknowledged after COMMIT, always, together with others. One that cannot be brought to an end is handed back,
and fetched anew. Only one batch is under way at a time, and the consumer stops fetching while it is: a service far
behind does not grow.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from operator import attrgetter
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from runtime import fetch_sessions, records
from runtime.delivery import RawRecord, Reader
from runtime.pump import Pump, Unavailable
from runtime.settings import Settings

log = structlog.get_logger()

SURVEY_EVERY = 5.0
"""Seconds between two questions where the partitions end."""
EMPTY_POLL_MS = 250
"""How long one poll waits for a first message; one that comes is handed over at once."""
LINGER = 0.004
"""Seconds. What the consumer fetched ahead while a batch was handled is as little as the broker had at its beginning;
under load the broker holds what came since, and is waited for."""
LONGEST_REST = 0.02
"""Seconds. After a batch that was not full the consumer rests as long as it took, at most so long. What comes meanwhile
is in the next one, and shares what every batch costs; who waits for a processor has it sooner. A full batch says that
there is more than can be done, and the next one follows at once."""
ACKNOWLEDGE_EVERY = 0.5
"""Seconds. Each acknowledgement costs the broker a record a partition, so those of many batches go together; what a
crash leaves unacknowledged is handed out again, and the inbox drops it."""
HEARTBEAT_MS = 1000
"""A replica learns by its heartbeat that others came or went, so this is what a change of shares takes."""
A_FEW = 20
"""Messages of a batch that say that there is load."""
_TIMESTAMP = attrgetter("timestamp")
FETCH_BYTES = 1024 * 1024
PARTITION_FETCH_BYTES = 256 * 1024
"""What a consumer holds at most, fetched and not yet handled: bounded however far behind it is."""


class Intake:
    """A service's consumer. `handled` tells the next offset behind what is committed, by topic and partition: what the
    group acknowledged before this replica had its share, and what it handled since."""

    def __init__(self, settings: Settings, service: str, topics: tuple[str, ...], reader: Reader, pump: Pump) -> None:
        records.install()
        fetch_sessions.install()
        self._reader = reader
        self._pump = pump
        self._retry_for = settings.retry_for
        self.handled: dict[tuple[str, int], int] = {}
        self.handled_at = asyncio.get_running_loop().time()
        """When, by the loop's clock, a batch was last handled."""
        self._ends: dict[TopicPartition, int] = {}
        self._ends_at: dict[TopicPartition, int] = {}
        """Where the batch in hand ends."""
        self._shares = self._gathered_in = 0
        """How many shares this replica was given, and during which of them the batch in hand was gathered."""
        self._in_hand = False
        self._oldest = self._level_at = time.time()
        self.topics = topics
        self.broker = KafkaBroker(
            settings.kafka_bootstrap.split(","),
            security=settings.kafka_access.security(),
            client_id=service,
            graceful_timeout=30.0,
            apply_types=False,
            allow_auto_create_topics=False,
            logger=None,
        )
        session_ms = int(settings.session_timeout * 1000)
        self._subscriber: BatchSubscriber = self.broker.subscriber(
            *topics,
            group_id=service,
            group_instance_id=settings.instance or None,
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
            listener=_Shares(self._begin_share, self._end_share),
            no_reply=True,
            title=service,
        )
        self._subscriber(self._handle)
        self._subscriber.get_msg = self._gather  # type: ignore[method-assign]
        self._batch_max = settings.batch_max
        self._gathered = 0
        self._gathered_at = 0.0
        """How many messages the last batch had, and when it was handed over, by the loop's clock."""
        self._to_acknowledge: dict[TopicPartition, int] = {}
        self._stopping = False
        self._acknowledging: asyncio.Task[None] | None = None
        self._looking_up: asyncio.Task[None] | None = None
        self._surveying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Joins the group and begins to consume; raises if the broker cannot be reached."""
        await self.broker.start()
        self._surveying = asyncio.create_task(self._survey())
        self._acknowledging = asyncio.create_task(self._acknowledge_now_and_then())

    async def stop(self) -> None:
        """Finishes the batch in hand, then leaves the group, so that others take over at once; an instance with a name
        stays a member and is waited for, as long as a session may be silent."""
        self._stopping = True
        for task in (self._looking_up, self._surveying, self._acknowledging):
            if task:
                task.cancel()
        await self._acknowledge()
        await self.broker.stop()

    def assigned(self) -> set[TopicPartition]:
        """This replica's share; empty while it has none."""
        consumer = self._subscriber.consumer
        return set(consumer.assignment()) if consumer else set()

    def lag(self) -> int:
        """Messages on this replica's partitions that are not handled yet, as of the last survey or fetch."""
        consumer = self._subscriber.consumer
        if not consumer:
            return 0
        behind = 0
        for place in consumer.assignment():
            end = max(consumer.highwater(place) or 0, self._ends.get(place, 0))
            done = self.handled.get((place.topic, place.partition))
            if done is not None:
                behind += max(0, end - done)
        if not behind:
            self._level_at = time.time()
        return behind

    def lag_seconds(self) -> float:
        """Age of the oldest message that is not handled yet, 0 without one. Exact for a batch in hand, by the records'
        timestamps; else what waits was written after all was level last, and after what was handled last."""
        if self._in_hand:
            since = self._oldest
        elif self.lag():
            since = max(self._oldest, self._level_at)
        else:
            return 0.0
        return max(0.0, time.time() - since)

    async def _survey(self) -> None:
        """Asks the broker where the partitions end: a consumer that does not fetch would never learn of its lag."""
        while True:
            await asyncio.sleep(SURVEY_EVERY)
            consumer = self._subscriber.consumer
            if consumer is None:
                continue
            try:
                self._ends = await consumer.end_offsets(list(consumer.assignment()))
            except Exception as error:
                log.info("survey_failed", error=repr(error))
            self.lag()

    async def _end_share(self, places: Collection[TopicPartition]) -> None:
        # Before others take over, so that little is handed out twice.
        await self._acknowledge()

    def _begin_share(self, places: Collection[TopicPartition]) -> None:
        self._in_hand = False
        # What was handled under an earlier share may be behind what others acknowledged since: it is theirs to tell.
        self._shares += 1
        self._to_acknowledge = {}
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
            begins = await consumer.beginning_offsets(list(places))
        except Exception as error:
            log.warning("acknowledged_offsets_unknown", error=repr(error))
            return
        for place, offset in zip(places, offsets, strict=True):
            at = (place.topic, place.partition)
            self.handled[at] = max(self.handled.get(at, 0), begins[place] if offset is None else offset)

    async def _gather(self, consumer: Any) -> tuple[RawRecord, ...]:
        """The next batch, after a rest: what is ready, and under load what the broker gathered meanwhile."""
        loop = asyncio.get_running_loop()
        if 0 < self._gathered < self._batch_max:
            await asyncio.sleep(min(loop.time() - self._gathered_at, LONGEST_REST))
        found = await consumer.getmany(timeout_ms=EMPTY_POLL_MS, max_records=self._batch_max)
        gathered = [record for some in found.values() for record in some]
        if self._gathered >= A_FEW and 0 < len(gathered) < self._batch_max:
            try:
                more = await consumer.getmany(timeout_ms=LINGER * 1000, max_records=self._batch_max - len(gathered))
            except Exception as error:
                # What was gathered is behind the consumer's position: nobody would hand it out again.
                log.warning("gathered_less", error=repr(error))
            else:
                gathered += [record for some in more.values() for record in some]
                found |= more
        self._gathered, self._gathered_at = len(gathered), loop.time()
        self._gathered_in = self._shares
        # The records of a partition stand in their order.
        self._ends_at = {place: some[-1].offset + 1 for place, some in found.items()}
        return tuple(gathered)

    async def _handle(self, message: KafkaMessage) -> None:
        # It keeps what it was decoded to, which is itself: only a collection of cycles would ever free its records.
        message.clear_cache()
        gathered: tuple[RawRecord, ...] = message.raw_message
        wanted = self._reader.wanted
        self._oldest, self._in_hand = min(map(_TIMESTAMP, gathered)) / 1000, True
        try:
            deliveries = [delivery for record in gathered if (delivery := wanted(record))]
            if deliveries:
                await self._pump.submit(deliveries, give_up_after=self._retry_for)
        except Exception as error:
            # Nothing may get past this: FastStream would go on with the next batch, and acknowledge this one with it.
            if isinstance(error, Unavailable):
                log.warning("batch_handed_back", error=str(error), messages=len(gathered))
            else:
                log.exception("batch_handed_back", messages=len(gathered))
                await asyncio.sleep(1)
            await message.nack()
            return
        self._pump.passed_by(len(gathered) - len(deliveries))
        if self._gathered_in == self._shares:
            self.handled |= {(place.topic, place.partition): end for place, end in self._ends_at.items()}
            self._to_acknowledge |= self._ends_at
        self._in_hand = False
        self.handled_at = asyncio.get_running_loop().time()
        if self._stopping:
            await self._acknowledge()

    async def _acknowledge_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(ACKNOWLEDGE_EVERY)
            await self._acknowledge()

    async def _acknowledge(self) -> None:
        """Tells the group what was handled since it was told last, all of it committed."""
        handled, self._to_acknowledge = self._to_acknowledge, {}
        if not handled or self._subscriber.consumer is None:
            return
        try:
            await self._subscriber.consumer.commit(handled)
        except Exception as error:
            # The group moved on without us, or the broker is away. What was committed stays committed; whoever has
            # the partitions next gets these messages again, and the inbox drops them.
            log.warning("acknowledge_failed", error=repr(error))


class _Shares(ConsumerRebalanceListener):  # type: ignore[misc]
    """Calls back with every share that this replica is given, and before it is taken."""

    def __init__(
        self,
        begin: Callable[[Collection[TopicPartition]], None],
        end: Callable[[Collection[TopicPartition]], Awaitable[None]],
    ) -> None:
        self._begin, self._end = begin, end

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self._end(revoked)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._begin(assigned)


async def _parse(gathered: tuple[RawRecord, ...], original: Callable[..., Awaitable[Any]]) -> Any:
    """FastStream's own parser decodes every header and skips a whole batch over one that is not UTF-8. Ours shows it
    a record without headers and keeps the batch as it came."""
    first = gathered[0]
    shown = ConsumerRecord(
        first.topic, first.partition, first.offset, first.timestamp, 0, first.key, b"", None, -1, 0, ()
    )
    message = await original((shown,))
    message.raw_message = gathered
    return message


async def _decode(message: KafkaMessage) -> Any:
    """The handler takes the whole message."""
    return message
