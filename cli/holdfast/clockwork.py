"""Drives the virtual clock of a stack: forward from one due timer to the next, and only when all is quiet.

Quiet means that nothing is on its way: every outbox is empty, no timer is due, and every reader of a topic has handled
at least what anybody published there. Each process tells its part, in one pass that begins after the last action. A
pass is sound because a service tells what it handled before it tells of its outbox, and what it published after that:
what another one misses shows as unhandled. Replicas are asked twice, because one may handle what another publishes.
And those that send webhooks, which are published nowhere, are asked before those that receive them.

A process that starts anew forgets what it published, so the broker is asked whenever one that is not known answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from aiokafka import TopicPartition

from holdfast.addresses import SIMULATORS, Addresses
from holdfast.embedded import EmbeddedError
from holdfast.flows import ends
from holdfast.now import clock_of
from holdfast.teller import Progress, Silent, Teller

FIRST_PAUSE, LONGEST_PAUSE = 0.015, 0.05
"""Seconds of real time between two looks. A message needs about the first for one hop, so looking sooner only takes
time away from those who are at work."""
QUIET_WITHIN = 60.0
"""Seconds of real time after which a stack that does not come to rest is a fault."""


class Clockwork:
    """The hand on the clock. `published` is how far each topic/partition was published, as far as is known: a driver
    notes there what it publishes itself."""

    def __init__(
        self,
        addresses: Addresses,
        teller: Callable[[str], Teller] = Teller,
        ends: Callable[[Mapping[str, Any]], Awaitable[Mapping[TopicPartition, int]]] = ends,
    ) -> None:
        self.clock = clock_of(addresses)
        self.published: dict[str, int] = {}
        tellers = {name: [teller(base) for base in addresses.all(name)] for name in addresses.services}
        self._senders = {name: some for name, some in tellers.items() if name in SIMULATORS}
        self._receivers = {name: some for name, some in tellers.items() if name not in SIMULATORS}
        self._known: set[str] = set()
        self._ends = partial(ends, addresses.kafka_client())

    def close(self) -> None:
        """Lets the connections go."""
        for tellers in (*self._senders.values(), *self._receivers.values()):
            for one in tellers:
                one.close()

    async def settle(self) -> datetime | None:
        """Returns when all is quiet, with the moment the next timer is due, if there is one.

        Raises EmbeddedError: not_quiet, with what is still going on.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + QUIET_WITHIN, FIRST_PAUSE
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, LONGEST_PAUSE)
            told, busy = await self._look()
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

    async def _look(self) -> tuple[list[Progress], list[str]]:
        """One pass: what every service tells, and why the stack is not quiet."""
        try:
            told = [*await _ask(self._senders), *await _ask(self._receivers)]
        except Silent as silent:
            return [], [str(silent)]
        lives = {life for one in told for life in one["lives"]}
        if not lives <= self._known:
            published = await self._ends()
            self._publish({f"{place.topic}/{place.partition}": end for place, end in published.items()})
            self._known = lives
        return told, self._busy(told)

    def _publish(self, far: Mapping[str, int]) -> None:
        for place, end in far.items():
            self.published[place] = max(self.published.get(place, 0), end)

    def _busy(self, told: Sequence[Progress]) -> list[str]:
        now = self.clock.now()
        busy = []
        for one in told:
            if not one["ready"]:
                busy.append(f"{one['service']} is not ready")
            if one["outbox"]:
                busy.append(f"{one['service']} has {one['outbox']} messages to publish")
            if one["next_timer"] and datetime.fromisoformat(one["next_timer"]) <= now:
                busy.append(f"{one['service']} has a timer due")
            self._publish(one["produced"])
        for one in told:
            topics = set(one["topics"])
            handled = one["handled"]
            busy += (
                f"{one['service']} has handled {place} up to {handled.get(place, 0)} of {end}"
                for place, end in self.published.items()
                if place.rpartition("/")[0] in topics and handled.get(place, 0) < end
            )
        return busy


async def _ask(services: Mapping[str, Sequence[Teller]]) -> list[Progress]:
    """What each service tells, all asked at once. Raises `Silent`."""
    return await _all(_service(name, tellers) for name, tellers in services.items())


async def _service(name: str, tellers: Sequence[Teller]) -> Progress:
    try:
        first = await _all(one.progress() for one in tellers)
        again = await _all(one.progress() for one in tellers) if len(tellers) > 1 else first
    except Silent as silent:
        raise Silent(f"{name} is silent: {silent}") from silent
    return as_one(first, again)


async def _all(questions: Iterable[Awaitable[Progress]]) -> list[Progress]:
    """All answers. An exception is raised when every question has come to its end, so that none is left under way."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [answer for answer in answers if not isinstance(answer, BaseException)]


def as_one(first: Sequence[Progress], again: Sequence[Progress]) -> dict[str, Any]:
    """What replicas tell as one service: of what they handled the first answers, of all else those given after all
    of these, for what one of them handled another one may publish."""
    timers = [one["next_timer"] for one in again if one["next_timer"]]
    return {
        "service": again[0]["service"],
        "topics": again[0]["topics"],
        "lives": [one["life"] for one in again],
        "ready": all(one["ready"] for one in again),
        "handled": _furthest(one["handled"] for one in first),
        "outbox": max(one["outbox"] for one in again),
        "next_timer": min(timers, key=datetime.fromisoformat, default=None),
        "produced": _furthest(one["produced"] for one in again),
    }


def _furthest(tellings: Iterable[Mapping[str, int]]) -> dict[str, int]:
    furthest: dict[str, int] = {}
    for told in tellings:
        for place, offset in told.items():
            furthest[place] = max(furthest.get(place, 0), offset)
    return furthest
