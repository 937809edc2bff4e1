"""What escrow watches about itself: the proof of money, and the operators' queue."""

from collections.abc import Sequence
from typing import Any

from escrow.repository import queued
from ledger.readings import GAUGES, readings
from runtime.watches import Declared, Reading, Watch

QUEUE = Declared("operator_queue_orders", "Orders that wait for an operator's decision")


async def _ledger(connection: Any) -> Sequence[Reading]:
    return [Reading(*each) for each in await readings(connection)]


async def _queue(connection: Any) -> Sequence[Reading]:
    return [Reading(QUEUE.name, await queued(connection))]


WATCHES = (
    Watch("ledger", 600, [Declared(*each) for each in GAUGES], _ledger),
    Watch("operator_queue", 60, [QUEUE], _queue),
)
