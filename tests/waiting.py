"""How tests wait: for a condition, with a deadline. Never for an amount of time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


async def eventually(condition: Callable[[], T | Awaitable[T]], *, within: float = 15.0) -> T:
    """The first true value of `condition`, which may be async; an assertion that fails in it counts as not yet.

    Raises AssertionError when it has not come true `within` seconds; any other exception of the condition at once.
    """
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            value = condition()
            last = await value if inspect.isawaitable(value) else value
            if last:
                return last
        except AssertionError as failed:
            last = failed
        if time.monotonic() > deadline:
            name = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"not within {within:g} s: {name}; last seen: {last!r}") from None
        await asyncio.sleep(POLL_SECONDS)
