"""Faults that a toy process makes for itself, when told to: it dies between two steps of the path, or is slow.

Nothing of this is in the runtime: its steps are wrapped from outside.
"""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer
from asyncpg.transaction import Transaction

from runtime import migrate, outbox, parking, repository, timers, writes
from runtime.batch import Handler
from runtime.decision import Look, Outcome, Service
from runtime.pump import Pump
from runtime.relay import KafkaSender, Relay
from runtime.repository import Repository
from runtime.writes import Write

Step = Callable[..., Awaitable[Any]]


class Point(NamedTuple):
    """Where to die: after the step `owner.name`, or in its midst. Passages with an empty result do not count."""

    owner: Any
    name: str
    amid: bool = False
    armed_by: tuple[Any, str] | None = None
    """The step counts only if this one was the last before it in the same task: whose COMMIT it is."""


POINTS = {
    "migrated": Point(migrate, "_migrate_component"),
    "amid_opening": Point(repository, "read", amid=True),
    "loaded": Point(Repository, "load"),
    "timers_claimed": Point(timers, "claim"),
    "letters_parked": Point(parking, "park"),
    "letters_resolved": Point(parking, "resolve"),
    "amid_write": Point(writes, "write", amid=True),
    "written": Point(writes, "write"),
    "before_commit": Point(Handler, "apply"),
    "amid_commit": Point(Transaction, "_Transaction__commit", amid=True, armed_by=(Handler, "apply")),
    "committed": Point(Pump, "_transact"),
    "amid_acknowledge": Point(AIOKafkaConsumer, "commit", amid=True),
    "acknowledged": Point(AIOKafkaConsumer, "commit"),
    "relay_taken": Point(outbox, "take"),
    "relay_amid_send": Point(KafkaSender, "_send_partition", amid=True),
    "relay_partly_sent": Point(KafkaSender, "_send_partition"),
    "relay_sent": Point(KafkaSender, "send"),
    "relay_amid_commit": Point(Transaction, "_Transaction__commit", amid=True, armed_by=(KafkaSender, "send")),
    "relay_committed": Point(Relay, "_round"),
}
"""Every step of the path after which, or in which, a process can die."""

_NO_RESULT = {"write", "send", "_send_partition", "commit", "load", "resolve"}


def die_at(place: str) -> None:
    """`NAME:N`: this process gets SIGKILL at the N-th passage of that point."""
    name, _, passages = place.partition(":")
    point, left = POINTS[name], int(passages)
    armed: list[asyncio.Task[Any] | None] = [None]
    step: Step = getattr(point.owner, point.name)

    async def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if point.armed_by:
            if armed[0] is not asyncio.current_task():
                return await step(*args, **kwargs)
            armed[0] = None
        if point.amid:
            left -= 1
            if left == 0:
                asyncio.ensure_future(step(*args, **kwargs))  # noqa: RUF006 - there is no afterwards
                await asyncio.sleep(0.001)  # its request leaves; its answer may come or not
                os.kill(os.getpid(), signal.SIGKILL)
        result = await step(*args, **kwargs)
        if not point.amid and (result or point.name in _NO_RESULT):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(point.owner, point.name, deadly)
    if point.armed_by:
        owner, name = point.armed_by
        before: Step = getattr(owner, name)

        async def arming(*args: Any, **kwargs: Any) -> Any:
            result = await before(*args, **kwargs)
            armed[0] = asyncio.current_task()
            return result

        setattr(owner, name, arming)


def slow_saves(seconds: float) -> None:
    """Saving takes this long for every aggregate, in the database and inside the transaction."""
    step: Step = writes.write

    async def slow(connection: Any, effects: Sequence[Write]) -> None:
        # Only writes of aggregates say how many rows they touch.
        if aggregates := sum(one.rows or 0 for one in effects):
            await connection.execute("SELECT pg_sleep($1)", seconds * aggregates)
        await step(connection, effects)

    writes.write = slow


def slow_decisions(service: Service, seconds: float) -> Service:
    """The same service, with decisions that keep the processor's attention this long."""

    def slowed(decide: Callable[..., Outcome[Any]]) -> Callable[..., Outcome[Any]]:
        def slow(state: Any, message: Any, now: datetime, look: Look) -> Outcome[Any]:
            time.sleep(seconds)
            return decide(state, message, now, look)

        return slow

    return replace(
        service, aggregates=[replace(aggregate, decide=slowed(aggregate.decide)) for aggregate in service.aggregates]
    )
