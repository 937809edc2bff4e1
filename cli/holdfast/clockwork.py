"""Drives the virtual clock of a stack: forward from one due timer to the next, and only when all is quiet.

Quiet means that nothing is on its way: every outbox is empty, no timer is due, and every reader of a topic has handled
at least what anybody published there. Each process tells its part, in one pass that begins after the last action. A
pass is sound because a process tells what it published after the moment its outbox was empty, so what another one
misses shows as unhandled; and because those that send webhooks, which are published nowhere, are asked before those
that receive them.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from holdfast.embedded import EmbeddedError
from holdfast.stack import SIMULATORS, Addresses
from runtime.clock import VirtualClock

FIRST_PAUSE, LONGEST_PAUSE = 0.015, 0.05
"""Seconds of real time between two looks. A message needs about the first for one hop, so looking sooner only takes
time away from those who are at work."""
QUIET_WITHIN = 60.0
"""Seconds of real time after which a stack that does not come to rest is a fault."""

Progress = Mapping[str, Any]


class Clockwork:
    """The hand on the clock. `published` is how far each topic/partition was published, as far as is known: a driver
    notes there what it publishes itself."""

    def __init__(self, addresses: Addresses, http: httpx.AsyncClient) -> None:
        kind, _, path = addresses.clock.partition(":")
        if kind != "virtual":
            raise EmbeddedError("real_clock", "this stack runs on the real clock, which nobody can move")
        self.clock = VirtualClock(Path(path))
        self._http = http
        self._urls = tuple(
            [f"{base}/dev/progress" for name, base in addresses.services.items() if (name in SIMULATORS) is sender]
            for sender in (True, False)
        )
        self.published: dict[str, int] = {}

    async def settle(self) -> datetime | None:
        """Returns when all is quiet, with the moment the next timer is due, if there is one.

        Raises EmbeddedError: not_quiet, with what is still going on.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + QUIET_WITHIN, FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, LONGEST_PAUSE)
            told = [one for urls in self._urls for one in await asyncio.gather(*(self._ask(url) for url in urls))]
            busy = self._busy(told)
            if not busy:
                due = [datetime.fromisoformat(one["next_timer"]) for one in told if one["next_timer"]]
                return min(due, default=None)
            if loop.time() > deadline:
                raise EmbeddedError("not_quiet", f"after {QUIET_WITHIN:g} s there is still: {'; '.join(busy[:5])}")

    async def advance_to(self, moment: datetime) -> datetime | None:
        """Moves the clock to `moment`, stopping at every timer on the way; returns when the next one is due."""
        due = await self.settle()
        while due is not None and due <= moment:
            self.clock.advance_to(max(due, self.clock.now()))
            due = await self.settle()
        if moment > self.clock.now():
            self.clock.advance_to(moment)
        return due

    async def _ask(self, url: str) -> Progress:
        answer = await self._http.get(url)
        answer.raise_for_status()
        told: Progress = msgspec.json.decode(answer.content)
        return told

    def _busy(self, told: list[Progress]) -> list[str]:
        now = self.clock.now()
        published = self.published
        busy = []
        for one in told:
            if not one["ready"]:
                busy.append(f"{one['service']} is not ready")
            if one["outbox"]:
                busy.append(f"{one['service']} has {one['outbox']} messages to publish")
            if one["next_timer"] and datetime.fromisoformat(one["next_timer"]) <= now:
                busy.append(f"{one['service']} has a timer due")
            for place, end in one["produced"].items():
                published[place] = max(published.get(place, 0), end)
        for one in told:
            topics = set(one["topics"])
            handled = one["handled"]
            busy += (
                f"{one['service']} has handled {place} up to {handled.get(place, 0)} of {end}"
                for place, end in published.items()
                if place.rpartition("/")[0] in topics and handled.get(place, 0) < end
            )
        return busy
