"""The contract as a Restate workflow: one run an order, every step journaled by the server before the next begins."""

import asyncio
import os
from datetime import timedelta
from functools import cache
from typing import Any

import restate
from restate import RunOptions, WorkflowContext

from bench.peers.steps import Books, Status, order_of
from bench.plan import Fate

CONNECTIONS = 16
"""To PostgreSQL, a process."""
RETRY: RunOptions[None] = RunOptions(initial_retry_interval=timedelta(milliseconds=50))

workflow = restate.Workflow("Order")


@workflow.main()
async def run(ctx: WorkflowContext, command: dict[str, Any]) -> None:
    """Takes one order, placed by a command, to its end."""
    order = order_of(command)
    books = await opened()
    status: Status | None = None

    async def to(*steps: Status) -> None:
        nonlocal status
        for step in steps:
            await ctx.run_typed(step, books.step, RETRY, order, status, step)
            status = step

    await to(Status.PLACED, Status.PAID, Status.HELD, Status.SCREENED)
    match order.fate:
        case Fate.CONFIRMED:
            await to(Status.SHIPPED, Status.DELIVERED, Status.CONFIRMED, Status.RELEASED)
        case Fate.DISPUTED:
            await to(Status.SHIPPED, Status.DELIVERED, Status.DISPUTED, Status.SPLIT)
        case Fate.UNSHIPPED:
            await ctx.sleep(SHIP_BY)
            await to(Status.REFUNDED)


@cache
def opened() -> "asyncio.Future[Books]":
    """The connections of this process, opened once."""
    environment = os.environ
    return asyncio.ensure_future(
        Books.open(
            environment["PEER_POSTGRES"],
            environment["PEER_KAFKA"],
            environment["PEER_TOPIC"],
            connections=CONNECTIONS,
        )
    )


SHIP_BY = timedelta(seconds=float(os.environ.get("PEER_SHIP_BY", "2")))

app = restate.app([workflow])
