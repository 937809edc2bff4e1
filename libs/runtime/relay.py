"""The relay: outbox rows to Kafka, in order, acks=all, and only then the COMMIT that deletes them.

One relay a service at a time, by an advisory lock on the connection it works with; another replica's takes over when
that connection ends. A crash between sending and COMMIT sends rows twice, which every consumer's inbox drops.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from contracts.partition import partition_of
from runtime import outbox, parking
from runtime.db import Connection
from runtime.kafka_access import KafkaAccess
from runtime.metrics import Metrics
from runtime.outbox import OutboxRow

log = structlog.get_logger()

LEADER_LOCK = 0x52656C61  # one number for all relays; databases are per service
BUSY_POLL, IDLE_POLL = 0.01, 0.25
"""Seconds until rows are found that another replica's pump left: the first while there are such, the second at the
latest when there were none for a while. Own commits wake at once."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
SWEEP_ROWS, SWEEP_SECONDS = 800, 1.0
"""The outbox is swept after so many rows, and no more often than that: a long transaction elsewhere may hold back what
a sweep could free."""


class Undeliverable(Exception):
    """The broker will not have this one row, however often it is sent; nothing says so of the others."""

    def __init__(self, row: OutboxRow, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.row = row


class Sender(Protocol):
    """Publishes rows in order; raises if any may not have arrived, `Undeliverable` where one never can."""

    async def send(self, rows: Sequence[OutboxRow]) -> None: ...

    async def close(self) -> None: ...


class KafkaSender:
    """Batches built by partition, one request's worth at a time for each, so that a failure cannot let a later
    message overtake an earlier one. Idempotence stays off: aiokafka's can wedge when a leader is gone, and the inbox
    removes duplicates anyway."""

    REQUEST_BYTES = 900_000

    def __init__(self, access: KafkaAccess, client_id: str) -> None:
        self._options: dict[str, Any] = {
            **access.client(),
            "client_id": client_id,
            "acks": "all",
            "enable_idempotence": False,
            "max_batch_size": self.REQUEST_BYTES,
            "request_timeout_ms": 15_000,
        }
        self._producer: AIOKafkaProducer | None = None
        self.produced: dict[tuple[str, int], int] = {}
        """Next offset behind what was published, by topic and partition."""

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        try:
            producer = await self._started()
            partitions = {topic: len(await producer.partitions_for(topic)) for topic in {row.topic for row in rows}}
            by_partition: dict[tuple[str, int], list[OutboxRow]] = {}
            for row in rows:
                by_partition.setdefault((row.topic, partition_of(row.key, partitions[row.topic])), []).append(row)
            sending = (self._send_partition(producer, place, some) for place, some in by_partition.items())
            for failed in await asyncio.gather(*sending, return_exceptions=True):
                if failed is not None:
                    raise failed
        except BaseException:
            # A producer that failed may hold batches it would still send; a fresh one holds none.
            await self.close()
            raise

    async def _send_partition(
        self, producer: AIOKafkaProducer, place: tuple[str, int], rows: Sequence[OutboxRow]
    ) -> None:
        topic, partition = place
        rest = list(reversed(rows))
        most = len(rest)
        while rest:
            batch = producer.create_batch()
            taken: list[OutboxRow] = []
            while (
                rest
                and len(taken) < most
                and batch.append(key=rest[-1].key, value=rest[-1].value, timestamp=None, headers=rest[-1].headers)
            ):
                taken.append(rest.pop())
            try:
                metadata = await (await producer.send_batch(batch, topic, partition=partition))
            except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                # The limit is on batches: only one that cannot be made smaller is one too large message.
                if len(taken) == 1:
                    raise Undeliverable(taken[0], error) from error
                rest += reversed(taken)
                most = len(taken) // 2
            else:
                self.produced[place] = max(self.produced.get(place, 0), metadata.offset + len(taken))

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(**self._options)
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def close(self) -> None:
        if self._producer:
            producer, self._producer = self._producer, None
            try:
                async with asyncio.timeout(5):
                    await producer.stop()
            except (TimeoutError, KafkaError, OSError) as error:
                log.warning("producer_not_stopped", error=repr(error))


class Relay:
    """Runs `run` as a task; `wake` after a commit that filled the outbox."""

    def __init__(
        self, dsn: str, sender: Sender, metrics: Metrics, *, limit: int, client: str, silence: float = 10.0
    ) -> None:
        self._dsn = dsn
        # After this silence the server ends the session, and with it the lead of a process that hangs or whose
        # machine is gone. A send that takes longer is done again, in order.
        milliseconds = str(int(silence * 1000))
        self._session = {
            "application_name": f"{client}-relay",
            "idle_session_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
            # A queue is empty when it is analysed and full when it is read: by those statistics it is scanned whole.
            "enable_seqscan": "off",
        }
        self._sender = sender
        self._metrics = metrics
        self._limit = limit
        self._awake = asyncio.Event()
        self._own = 0
        """Messages that commits of this process left since the last look."""
        self.fault = ""
        self.leading = False
        self.moved_at = asyncio.get_running_loop().time()
        """When, by the loop's clock, the outbox was last published or found empty, or another was found to lead."""

    def wake(self, messages: int = 0) -> None:
        """Look at the outbox now; so many messages were left there by a commit of this process."""
        self._own += messages
        self._awake.set()

    async def run(self) -> None:
        """Relays until cancelled; whatever fails is tried again, in the same order."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._lead()
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self.fault = f"{type(error).__name__}: {error}"
                self._metrics.relay_faults.inc()
                log.warning("relay_retried", error=self.fault)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            finally:
                self.leading = False
            if not self.fault:
                pause = FIRST_PAUSE

    async def _lead(self) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=5, command_timeout=30, server_settings=self._session)
        try:
            while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):
                self.fault = ""
                self.moved_at = asyncio.get_running_loop().time()
                await asyncio.sleep(0.5)
            self.leading = True
            poll = BUSY_POLL
            unswept, swept_at = 0, 0.0
            while True:
                own, self._own = self._own, 0
                rows, sent = await self._round(connection)
                if sent > own:
                    poll = BUSY_POLL
                unswept += rows
                now = asyncio.get_running_loop().time()
                if unswept >= SWEEP_ROWS and now - swept_at >= SWEEP_SECONDS:
                    await outbox.sweep(connection)
                    unswept, swept_at = 0, now
                if rows < self._limit and not await self._woken(poll):
                    poll = min(poll * 1.5, IDLE_POLL)
        finally:
            connection.terminate()

    async def _round(self, connection: Connection) -> tuple[int, int]:
        """How many rows were taken, and how many messages they held."""
        self._awake.clear()
        try:
            async with connection.transaction():
                rows, messages = await outbox.take(connection, self._limit)
                if messages and (sendable := await parking.hold_back(connection, messages)):
                    await self._sender.send(sendable)
        except Undeliverable as error:
            log.error("undeliverable", topic=error.row.topic, key=repr(error.row.key), error=str(error))
            async with connection.transaction():
                await parking.set_aside(connection, error.row, str(error))
            return 1, 1
        self.fault = ""
        self.moved_at = asyncio.get_running_loop().time()
        self._metrics.sent.inc(len(messages))
        return rows, len(messages)

    async def _woken(self, within: float) -> bool:
        """Waits until an own commit left rows; False when there was none for so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._awake.wait()
        except TimeoutError:
            return False
        return True
