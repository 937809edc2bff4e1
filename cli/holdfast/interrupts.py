"""Ctrl-C where it can be borne: not while an event loop is made or closed, which would leave it half made."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def held_back() -> Iterator[None]:
    """An interrupt or SIGTERM within the block takes effect at its end, as KeyboardInterrupt. They come to the main
    thread only: in another one there is nothing to hold back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {one: signal.signal(one, lambda number, _: came.append(number)) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if came:
        raise KeyboardInterrupt


def interruptible(verb: Callable[..., T] | None) -> Callable[..., T]:
    """The verb, of which an interrupt is a KeyboardInterrupt as soon as it begins and not before."""
    assert verb

    def begun(*arguments: Any, **options: Any) -> T:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return verb(*arguments, **options)

    return begun


def run(work: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`; an interrupt cancels the work and comes out as KeyboardInterrupt when it has ended."""
    with held_back():
        runner = asyncio.Runner()
        runner.get_loop()
    try:
        return runner.run(work)
    finally:
        with held_back():
            runner.close()
