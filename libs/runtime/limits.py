"""How often a caller may ask: a bucket of tokens each, filled steadily up to a burst, one token a request.

Buckets are in memory, so a limit is one of each replica: with three replicas a caller may ask three times as often.
Requests with a token are counted by its subject and role, those without a valid one by their address. Services are not
limited: they are few, known, and do what others asked them to. Real time, whatever clock the service follows.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from contracts.message import Actor, Role
from runtime.decision import Refused

REMEMBERED = 20_000
"""Callers; the one that did not ask for longest is forgotten, which is as if its bucket were full again."""


class Limits:
    """`per_second` tokens a second and at most `burst` of them for each caller; 0 a second is no limit at all."""

    def __init__(self, per_second: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, actor: Actor) -> None:
        """Takes a token of this caller. Raises `Refused`: rate_limited (429)."""
        if actor.role is not Role.SERVICE and not self.admits(f"{actor.role}:{actor.id}"):
            raise self.refused()

    def admits(self, caller: str) -> bool:
        """Takes a token of this caller, if there is one."""
        if not self._per_second:
            return True
        now = self._now()
        left, at = self._buckets.get(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._per_second)
        admitted = left >= 1
        self._buckets[caller] = (left - 1 if admitted else left, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)
        return admitted

    def refused(self) -> Refused:
        """What a caller without a token is told."""
        said = f"more than {self._per_second:g} requests a second, and {self._burst:g} at once; slow down"
        return Refused("rate_limited", said)
