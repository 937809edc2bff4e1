"""The clock that a running stack follows."""

from datetime import UTC, datetime
from pathlib import Path

from holdfast.addresses import Addresses
from holdfast.embedded.errors import EmbeddedError
from runtime.clock import VirtualClock


def clock_of(addresses: Addresses) -> VirtualClock:
    """The clock that a stack follows. Raises EmbeddedError (`real_clock`) where nobody can move it."""
    kind, _, path = addresses.clock.partition(":")
    if kind != "virtual":
        raise EmbeddedError(
            "real_clock",
            "this stack runs on the real clock, which nobody can move; start one on the virtual clock: `holdfast up`, "
            "or the containers without HOLDFAST_CLOCK=real",
        )
    return VirtualClock(Path(path))


def now_of(addresses: Addresses) -> datetime:
    """What time it is in a stack, in UTC, whichever clock it follows."""
    return datetime.now(UTC) if addresses.clock == "real" else clock_of(addresses).now()
