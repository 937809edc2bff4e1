"""The one path. Whatever changes state in a service goes through here, in batches, one transaction each:

    what is ready → parked keys → inbox → load, locked → claim timers → decide (pure) → save · postings · timers
    · outbox → COMMIT → answer

A transient fault (the database away, a deadlock, a lost race) tries the same batch again. A batch that the database
refuses is halved until the message that spoils it stands alone; that one parks its key, the others go on.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import asyncpg
import structlog

from contracts.envelope import EnvelopeError, encode
from contracts.message import is_command
from contracts.registry import dead_letter_topic
from runtime import inbox, outbox, parking, timers
from runtime.clock import Clock
from runtime.db import Connection, Pool
from runtime.decision import Ref, Service
from runtime.delivery import Delivery, Origin
from runtime.fold import Behind, Done, Failed, Folded, Produced, Refusal, Versioned, fold
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.outbox import Record
from runtime.repository import ConcurrentUpdate, Repository

log = structlog.get_logger()

TRANSIENT = (
    ConcurrentUpdate,
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionRollbackError,
    asyncpg.CannotConnectNowError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Faults that say nothing about the batch: it is tried again as it is."""

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
CONNECT_WITHIN, ROLL_BACK_WITHIN = 10.0, 2.0
SLOW = 2.0
"""Seconds from BEGIN to COMMIT that are too many: locks are held so long, and the consumer polls so much later."""
FIRST_SIZE = 64
"""Messages in one transaction at first: twice as many after each that was quick, half as many after a slow one."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Handled before; nothing happened now."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Not for this service."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Its key stands still: it waits there (from Kafka), or was not taken (from HTTP)."""


Answer = Done | Refusal | Failed | Duplicate | Passed | Parked


class Unavailable(Exception):
    """The batch could not be brought to an end in time; nothing is known to be lost, send it again."""


@dataclass(slots=True)
class _Group:
    deliveries: Sequence[Delivery]
    answers: asyncio.Future[list[Answer]]
    give_up_at: float


@dataclass(slots=True)
class Batch:
    """One transaction's work. `answers` are by the identity of the delivery."""

    answers: dict[int, Answer] = field(default_factory=dict)
    live: list[Delivery] = field(default_factory=list)
    twins: list[tuple[Delivery, Delivery]] = field(default_factory=list)
    """Deliveries with the id of an earlier one of this batch, and that one."""
    letters: list[parking.Letter] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


class Pump:
    """Brings groups of deliveries to their effect. One per process; `run` is its only worker, so that batches of one
    process never wait for each other's locks."""

    def __init__(self, service: Service, pool: Pool, clock: Clock, metrics: Metrics, *, batch_max: int = 500) -> None:
        self._service = service
        self._repository = Repository(service)
        self._pool = pool
        self._clock = clock
        self._metrics = metrics
        self._batch_max = batch_max
        self._size = min(FIRST_SIZE, batch_max)
        self._queue: asyncio.Queue[_Group] = asyncio.Queue()
        self._in_doubt: dict[int, Answer] = {}
        self._fault: str = ""
        self.commits = 0
        """Transactions committed since the start."""
        self.published: Callable[[], None] = lambda: None
        """Called after a commit that left something in the outbox."""

    @property
    def fault(self) -> str:
        """Why the pump stands still, or "" while it works."""
        return self._fault

    @property
    def waiting(self) -> int:
        """Groups not yet begun."""
        return self._queue.qsize()

    async def submit(self, deliveries: Sequence[Delivery], *, give_up_after: float) -> list[Answer]:
        """Handles deliveries, in order, and answers each; returns after COMMIT.

        Raises `Unavailable` when that was not possible within `give_up_after` seconds. Callers bound how many they
        have under way: one Kafka batch, one batch of timers, `intake_max` HTTP commands.
        """
        loop = asyncio.get_running_loop()
        group = _Group(deliveries, loop.create_future(), loop.time() + give_up_after)
        self._queue.put_nowait(group)
        return await group.answers

    async def run(self) -> None:
        """Works until cancelled; cancel it only when nothing is under way (see `drain`)."""
        while True:
            groups = [await self._queue.get()]
            size = len(groups[0].deliveries)
            while size < self._batch_max and not self._queue.empty():
                groups.append(self._queue.get_nowait())
                size += len(groups[-1].deliveries)
            await self._handle(groups)
            for _ in groups:
                self._queue.task_done()

    async def drain(self) -> None:
        """Returns when everything submitted has been answered."""
        await self._queue.join()

    async def _handle(self, groups: Sequence[_Group]) -> None:
        # Who gave up waiting was told that it may still happen; it need not.
        groups = [group for group in groups if not group.answers.done()]
        if not groups:
            return
        deliveries = [delivery for group in groups for delivery in group.deliveries]
        give_up_at = min(group.give_up_at for group in groups)
        answers: list[Answer] = []
        try:
            while len(answers) < len(deliveries):
                if answers and asyncio.get_running_loop().time() > give_up_at:
                    raise Unavailable("slow: the rest of the batch comes again")
                some = deliveries[len(answers) : len(answers) + self._size]
                answers += await self._insist(some, give_up_at)
        except Unavailable as unavailable:
            for group in groups:
                if not group.answers.done():
                    group.answers.set_exception(unavailable)
            return
        finally:
            self._in_doubt.clear()
        start = 0
        for group in groups:
            end = start + len(group.deliveries)
            if not group.answers.done():
                group.answers.set_result(answers[start:end])
            start = end

    async def _insist(self, deliveries: Sequence[Delivery], give_up_at: float) -> list[Answer]:
        """The batch, tried again after transient faults, halved after a lasting one or when it took too long."""
        pause = FIRST_PAUSE
        while True:
            try:
                answers = await self._transact(deliveries)
            except Exception as error:
                if _is_transient(error) or deliveries[0].spoiled:
                    self._fault = f"{type(error).__name__}: {error}"
                    self._metrics.retries.inc()
                    log.warning("batch_retried", error=self._fault, messages=len(deliveries))
                    if asyncio.get_running_loop().time() + pause > give_up_at:
                        raise Unavailable(self._fault) from error
                    if isinstance(error, TimeoutError):
                        # The network may have lost our connections without a word: the others will not answer either.
                        await self._pool.expire_connections()
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE)
                    if len(deliveries) <= self._size:
                        continue
                elif len(deliveries) == 1:
                    return [await self._spoiled(deliveries[0], error, give_up_at)]
                log.warning("batch_halved", error=repr(error), messages=len(deliveries))
                middle = len(deliveries) // 2
                first = await self._insist(deliveries[:middle], give_up_at)
                return first + await self._insist(deliveries[middle:], give_up_at)
            else:
                self._fault = ""
                return answers

    async def _spoiled(self, delivery: Delivery, error: Exception, give_up_at: float) -> Answer:
        """A message that the database itself refuses to write: parked like one whose decision raised."""
        if delivery.origin is Origin.HTTP and isinstance(error, EnvelopeError):
            return Refusal(error.code, error.text)
        if delivery.origin is Origin.HTTP:
            log.error("command_failed", type=delivery.type, error=repr(error))
            return Failed(error)
        (answer,) = await self._insist([replace(delivery, fault=error, spoiled=True)], give_up_at)
        return answer

    async def _transact(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        with self._metrics.batch_seconds.time():
            async with self._pool.acquire(timeout=CONNECT_WITHIN) as connection:
                transaction = connection.transaction()
                await transaction.start()
                began = asyncio.get_running_loop().time()
                try:
                    batch = await self.apply(connection, deliveries)
                except BaseException:
                    await _roll_back(connection, transaction)
                    raise
                finally:
                    seconds = asyncio.get_running_loop().time() - began
                    if seconds > SLOW:
                        self._size = max(1, len(deliveries) // 2)
                # From here on the outcome is in doubt until COMMIT is answered. If its reply is lost, the next try
                # finds its own inbox rows, and these answers are the true ones.
                self._in_doubt.update(batch.answers)
                await transaction.commit()
        if seconds < SLOW / 4:
            # Duplicates are quick and say nothing of how long as many decisions would take.
            self._size = min(self._batch_max, max(self._size, len(batch.live) * 2))
        self.commits += 1
        self._metrics.count(deliveries, batch.answers)
        if batch.records:
            self.published()
        return [batch.answers[id(delivery)] for delivery in deliveries]

    async def apply(self, connection: Connection, deliveries: Sequence[Delivery], *, replaying: str = "") -> Batch:
        """Everything between BEGIN and COMMIT. Also the path of a replay of the parked key `replaying`, and of its
        dry run, which rolls back."""
        now = self._clock.now()
        batch = Batch()
        await self._drop_seen(connection, deliveries, batch)
        await self._hold_back_parked(connection, batch, replaying)
        loaded = await self._load(connection, batch)
        await self._drop_gone_timers(connection, batch)
        folded = fold(self._service, [delivery.item for delivery in batch.live if delivery.item], loaded, now)
        self._answer(batch, folded, now)
        await self._repository.save(connection, loaded, folded.states)
        if folded.postings and self._service.postings:
            await self._service.postings.write(connection, folded.postings, now)
        if folded.timers:
            await timers.save(connection, folded.timers)
        await self._park(connection, deliveries, batch, now)
        if batch.records:
            await outbox.append(connection, batch.records)
        for twin, first in batch.twins:
            answer = batch.answers[id(first)]
            batch.answers[id(twin)] = Duplicate() if isinstance(answer, Done) else answer
        return batch

    async def _drop_seen(self, connection: Connection, deliveries: Sequence[Delivery], batch: Batch) -> None:
        messages = []
        for delivery in deliveries:
            if delivery.item is None and delivery.refusal is None and delivery.fault is None:
                batch.answers[id(delivery)] = Passed()
            elif delivery.timer is None:
                messages.append(delivery.id)
        fresh = await inbox.admit(connection, messages) if messages else set()
        first: dict[UUID, Delivery] = {}
        for delivery in deliveries:
            if id(delivery) in batch.answers:
                continue
            if delivery.timer:
                batch.live.append(delivery)
            elif delivery.id in first:
                batch.twins.append((delivery, first[delivery.id]))
            elif delivery.id in fresh:
                batch.live.append(delivery)
                first[delivery.id] = delivery
            else:
                batch.answers[id(delivery)] = self._in_doubt.get(id(delivery), Duplicate())

    async def _hold_back_parked(self, connection: Connection, batch: Batch, replaying: str) -> None:
        standing = await parking.parked(connection, {lane for delivery in batch.live for lane in delivery.lanes})
        standing.discard(replaying)
        live = []
        for delivery in batch.live:
            lane = next((lane for lane in delivery.lanes if lane in standing), None)
            if lane is None and delivery.fault is None:
                live.append(delivery)
                continue
            batch.answers[id(delivery)] = Parked()
            if delivery.origin is Origin.HTTP:
                continue
            # Rare enough to claim a held timer here, before its aggregate is locked.
            if delivery.timer and not await timers.claim(connection, [delivery.timer]):
                batch.answers[id(delivery)] = Duplicate()
                continue
            lane = lane or delivery.lane
            batch.letters.append(parking.letter(delivery, lane, delivery.fault, behind=lane in standing))
            standing.add(lane)
        batch.live = live

    async def _load(self, connection: Connection, batch: Batch) -> dict[Ref, Versioned]:
        items = [delivery.item for delivery in batch.live if delivery.item]
        locked = {item.ref for item in items}
        read = {ref for item in items for ref in item.reads}
        return await self._repository.load(connection, locked, read)

    async def _drop_gone_timers(self, connection: Connection, batch: Batch) -> None:
        fired = [delivery.timer for delivery in batch.live if delivery.timer]
        if not fired:
            return
        claimed = await timers.claim(connection, fired)
        live = []
        for delivery in batch.live:
            if delivery.timer is None or delivery.timer in claimed:
                live.append(delivery)
                if delivery.timer:
                    claimed.discard(delivery.timer)
            else:
                batch.answers[id(delivery)] = self._in_doubt.get(id(delivery), Duplicate())
        batch.live = live

    def _answer(self, batch: Batch, folded: Folded, now: datetime) -> None:
        """What each message came to, and what is to be published, in the order of the messages."""
        results = iter(folded.results)
        for delivery in batch.live:
            result = next(results) if delivery.item else Refusal.of(delivery.refusal)
            answer: Answer = result if not isinstance(result, Behind) else Parked()
            if isinstance(result, Done):
                batch.records += [self._encode(produced, now) for produced in result.produced]
            elif isinstance(result, Refusal):
                self._refuse(batch, delivery, result, now)
            elif delivery.origin is not Origin.HTTP:
                error = result.error if isinstance(result, Failed) else None
                batch.letters.append(parking.letter(delivery, delivery.lane, error, behind=isinstance(result, Behind)))
                answer = Parked()
            batch.answers[id(delivery)] = answer

    def _refuse(self, batch: Batch, delivery: Delivery, refusal: Refusal, now: datetime) -> None:
        """A refused command that came by Kafka is answered on the service's events topic; an event is only logged."""
        if delivery.origin is Origin.KAFKA and is_command(delivery.record.topic):
            subject = delivery.record.lane[:256]
            event = self._service.refusal(
                subject=subject,
                command_id=delivery.cause[:256],
                command_type=delivery.type[:256],
                code=refusal.code,
                reason=refusal.reason[:1000],
            )
            correlation = delivery.item.correlation_id if delivery.item else subject
            batch.records.append(self._encode(Produced(event, delivery.cause, correlation, 0), now))
        else:
            log.info("refused", type=delivery.type, key=delivery.lane, code=refusal.code)

    async def _park(self, connection: Connection, deliveries: Sequence[Delivery], batch: Batch, now: datetime) -> None:
        # What had no effect must not count as handled: parked messages come again by a replay, and an HTTP caller
        # who was refused may correct things and repeat under the same key.
        without_effect = [
            delivery.id
            for delivery in deliveries
            if isinstance(answer := batch.answers.get(id(delivery)), Parked | Failed)
            or (isinstance(answer, Refusal) and delivery.origin is Origin.HTTP)
        ]
        if without_effect:
            await inbox.forget(connection, without_effect)
        if batch.letters:
            topic = dead_letter_topic(self._service.name)
            for letter in await parking.park(connection, batch.letters, now):
                batch.records.append(parking.copy_for_topic(topic, letter, self._service.name, now))
                log.error("parked", key=letter.lane, type=letter.delivery.type, code=letter.code, error=letter.error)

    def _encode(self, produced: Produced, now: datetime) -> Record:
        topic, key, headers, value = encode(
            produced.message,
            id=new_id(),
            source=self._service.name,
            time=now,
            correlation_id=produced.correlation_id,
            causation_id=produced.causation_id,
            sequence=produced.sequence,
        )
        return Record(topic, key, headers, value)


def _is_transient(error: Exception) -> bool:
    # A value that asyncpg cannot encode is an InterfaceError too, but it lies in the batch, not in the connection.
    return isinstance(error, TRANSIENT) and not isinstance(error, ValueError)


async def _roll_back(connection: Connection, transaction: asyncpg.transaction.Transaction) -> None:
    """Ends the connection where it does not answer: that rolls back too, and the next try gets another."""
    try:
        async with asyncio.timeout(ROLL_BACK_WITHIN):
            await transaction.rollback()
    except Exception:
        # One that the server ended is no longer lent to us, and there is nothing left to end.
        with suppress(asyncpg.InterfaceError):
            connection.terminate()
        log.info("rollback_without_connection")
