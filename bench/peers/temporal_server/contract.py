"""The contract as a Temporal workflow: one execution an order, every step an activity whose end is in the history."""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from bench.peers.steps import Books, Status
    from bench.plan import Fate, Order

WITHIN = timedelta(seconds=10)
"""The time a step has, tries included, before the worker is held for dead."""
RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=50))


class Steps:
    """The activities of one worker, over its connections."""

    def __init__(self, books: Books) -> None:
        self._books = books

    @activity.defn
    async def step(self, order: Order, before: Status | None, status: Status) -> None:
        await self._books.step(order, before, status)


@workflow.defn
class OrderWorkflow:
    """Takes one order, placed by a command, to its end; `ship_by` is in seconds. With `local` activities the worker
    runs steps by itself and the server hears of them when the workflow next waits, as Temporal advises for short
    ones."""

    def __init__(self) -> None:
        self._status: Status | None = None

    @workflow.run
    async def run(self, order: Order, ship_by: float, local: bool) -> None:
        self._order, self._local = order, local
        await self._to(Status.PLACED, Status.PAID, Status.HELD, Status.SCREENED)
        match order.fate:
            case Fate.CONFIRMED:
                await self._to(Status.SHIPPED, Status.DELIVERED, Status.CONFIRMED, Status.RELEASED)
            case Fate.DISPUTED:
                await self._to(Status.SHIPPED, Status.DELIVERED, Status.DISPUTED, Status.SPLIT)
            case Fate.UNSHIPPED:
                await workflow.sleep(ship_by)
                await self._to(Status.REFUNDED)

    async def _to(self, *steps: Status) -> None:
        for step in steps:
            execute = workflow.execute_local_activity_method if self._local else workflow.execute_activity_method
            await execute(
                Steps.step,
                args=[self._order, self._status, step],
                start_to_close_timeout=WITHIN,
                retry_policy=RETRY,
            )
            self._status = step
