"""The pump brings everything that changes state in a service down the one path, in batches, a transaction each:

    what is ready → BEGIN → the batch (see `batch.py`) → COMMIT → answer

A transient fault (the database away, a deadlock, a lost race) tries the same batch again. A batch that the database
refuses is halved until the message that spoils it stands alone; that one parks its key, the others go on.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

import asyncpg
import structlog

from contracts.envelope import EnvelopeError
from runtime import collector
from runtime.batch import Answer, Handler
from runtime.clock import Clock
from runtime.db import Connection, Pool
from runtime.decision import Service
from runtime.delivery import Delivery, Origin
from runtime.fold import Failed, Refusal
from runtime.metrics import Metrics
from runtime.tracing import Spans, passed_on
from runtime.writes import ConcurrentUpdate

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


class Unavailable(Exception):
    """The batch could not be brought to an end in time; nothing is known to be lost, send it again."""


@dataclass(slots=True)
class _Group:
    deliveries: Sequence[Delivery]
    answers: asyncio.Future[list[Answer]]
    give_up_at: float


class Pump:
    """Brings groups of deliveries to their effect. One per process; `run` is its only worker, so that batches of one
    process never wait for each other's locks."""

    def __init__(
        self,
        service: Service,
        pool: Pool,
        clock: Clock,
        metrics: Metrics,
        *,
        batch_max: int = 500,
        spans: Spans | None = None,
    ) -> None:
        self.handler = Handler(service, clock)
        self._pool = pool
        self._metrics = metrics
        self._spans = spans
        self._batch_max = batch_max
        self._size = min(FIRST_SIZE, batch_max)
        self._queue: asyncio.Queue[_Group] = asyncio.Queue()
        self._in_doubt: dict[int, Answer] = {}
        self._fault: str = ""
        self.busy_since: float | None = None
        """Since when, by the loop's clock, nothing came of what is under way; None while nothing is."""
        self.born_due = 0
        """Transactions committed that set a timer to a moment already past."""
        self.published: Callable[[int], None] = lambda messages: None
        """Called after a commit that left so many messages in the outbox."""

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

    def passed_by(self, messages: int) -> None:
        """Counts messages for others, which need no transaction."""
        self._metrics.passed_by(messages)

    async def run(self) -> None:
        """Works until cancelled; cancel it only when nothing is under way (see `drain`)."""
        while True:
            groups = [await self._queue.get()]
            size = len(groups[0].deliveries)
            while size < self._batch_max and not self._queue.empty():
                groups.append(self._queue.get_nowait())
                size += len(groups[-1].deliveries)
            begun = len(groups)
            self.busy_since = asyncio.get_running_loop().time()
            await self._handle(groups)
            self.busy_since = None
            # Nothing of a batch is kept until the next one, which is as large again.
            del groups
            for _ in range(begun):
                self._queue.task_done()
            collector.between_batches()

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
                self.busy_since = asyncio.get_running_loop().time()
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
        span = self._spans.batch() if self._spans else None
        context = span.context if span else passed_on
        with self._metrics.batch_seconds.time(), nullcontext() if span is None else span.around(deliveries):
            async with self._pool.acquire(timeout=CONNECT_WITHIN) as connection:
                transaction = connection.transaction()
                await transaction.start()
                began = asyncio.get_running_loop().time()
                try:
                    batch = await self.handler.apply(connection, deliveries, in_doubt=self._in_doubt, context=context)
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
        self.born_due += batch.timer_due
        self._metrics.count(deliveries, batch.answers)
        if span:
            span.end(deliveries, batch.answers)
        if batch.records:
            self.published(len(batch.records))
        return [batch.answers[id(delivery)] for delivery in deliveries]


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
