"""What deposits watches about itself: the proof of money."""

from collections.abc import Sequence
from typing import Any

from ledger.readings import GAUGES, readings
from runtime.watches import Declared, Reading, Watch


async def _ledger(connection: Any) -> Sequence[Reading]:
    return [Reading(*each) for each in await readings(connection)]


WATCHES = (Watch("ledger", 600, [Declared(*each) for each in GAUGES], _ledger),)
