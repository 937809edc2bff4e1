"""The systems that are measured: one for each measure, or one for all that can share it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from bench.plan import Mix
from bench.system import System, running

SHARED_ORDERS = 20_000
"""Orders of one drain that the accounts of a shared system do for."""


class Ready(NamedTuple):
    """A system with accounts and deposits for a mix, warmed up."""

    system: System
    mix: Mix


def mix_for(orders: int) -> Mix:
    """So many buyers that nobody orders in bulk, which screening would stop."""
    return Mix(buyers=max(orders // 4, 1_000))


class Systems:
    """Starts what is to be measured. With `shared` the first one that anybody asks for is used by all others that need
    nothing special, and what they measure stands on tables, processes and compiled code that were used before; starting
    one for each takes ten seconds a time. Stops all at its end."""

    def __init__(self, folder: Path, say: Callable[[str], None], *, shared: bool) -> None:
        self._folder, self._say, self._shared = folder, say, shared
        self._running = ExitStack()
        self._ready: Ready | None = None

    @contextmanager
    def system(self, name: str, orders: int, warm_up: int | None = None) -> Iterator[Ready]:
        """A system for drains of at most `orders` orders, after a warm-up: a fifth of that, or `warm_up`."""
        if self._shared and orders <= SHARED_ORDERS:
            if self._ready is None:
                fresh = self._fresh("shared", SHARED_ORDERS, warm_up or orders // 5)
                self._ready = self._running.enter_context(fresh)
            yield self._ready
            return
        with self._fresh(name, orders, warm_up or orders // 5) as ready:
            yield ready

    @contextmanager
    def _fresh(self, name: str, orders: int, warm_up: int) -> Iterator[Ready]:
        mix = mix_for(orders)
        with running(self._folder / name) as system:
            self._say(f"{name}: opening {mix.buyers} accounts and {mix.sellers} deposits, warming up")
            system.prepare(mix)
            system.drain(mix, max(warm_up, 1_000))
            yield Ready(system, mix)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()
