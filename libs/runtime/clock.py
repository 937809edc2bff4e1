"""Time, as a port: the real clock, or a virtual one that a whole stack shares through one small file."""

import mmap
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TICKS = struct.Struct("<q")


class Clock(Protocol):
    """What time it is, in UTC."""

    virtual: bool

    def now(self) -> datetime: ...


class RealClock:
    """The machine's clock."""

    virtual = False

    def now(self) -> datetime:
        return datetime.now(UTC)


class VirtualClock:
    """A clock that stands still until somebody moves it forward: eight bytes of a file that every process maps.

    For development and tests only; whoever drives it moves it to the next due moment, waits until the stack is
    quiet, and goes on, so sixty days pass in seconds and every timer fires in its order.
    """

    virtual = True

    def __init__(self, path: Path) -> None:
        try:
            with path.open("r+b") as file:
                self._map = mmap.mmap(file.fileno(), _TICKS.size)
        except OSError:
            # Whoever may only read it follows it; `advance_to` is for those who may write.
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), _TICKS.size, access=mmap.ACCESS_READ)

    @classmethod
    def create(cls, path: Path, start: datetime) -> "VirtualClock":
        """A new clock file that shows `start`."""
        path.write_bytes(_TICKS.pack((start - EPOCH) // _MICROSECOND))
        return cls(path)

    def now(self) -> datetime:
        ticks: int = _TICKS.unpack_from(self._map)[0]
        return EPOCH + ticks * _MICROSECOND

    def advance_to(self, moment: datetime) -> None:
        """Moves the clock; ValueError when `moment` lies before what it shows, for time never runs back."""
        if moment < self.now():
            raise ValueError(f"the virtual clock shows {self.now().isoformat()}, it cannot go back to {moment}")
        _TICKS.pack_into(self._map, 0, (moment - EPOCH) // _MICROSECOND)


def clock_from(setting: str) -> Clock:
    """`real`, or `virtual:PATH` of a clock file that exists."""
    kind, _, path = setting.partition(":")
    if kind == "real":
        return RealClock()
    if kind == "virtual" and path:
        return VirtualClock(Path(path))
    raise ValueError(f"the clock is 'real' or 'virtual:PATH', not {setting!r}")
