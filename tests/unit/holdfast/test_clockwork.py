"""When a stack counts as quiet: only if nothing can be on its way, wherever it has got to."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition

from holdfast import clockwork
from holdfast.addresses import SERVICES, SIMULATORS, Addresses
from holdfast.clockwork import Clockwork, as_one
from holdfast.embedded import EmbeddedError
from holdfast.teller import Progress, Silent
from runtime.clock import VirtualClock

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
PAID, HELD = "orders.events.v1/3", "escrow.events.v1/7"

Tellers = dict[str, dict[str, Any]]


def addresses(clock: str) -> Addresses:
    return Addresses(1, "", "", clock, {name: name for name in (*SERVICES, *SIMULATORS)}, {})


def quiet_stack() -> Tellers:
    """What every process tells when an order was paid and its money held, and all who read that have handled it."""
    told = {
        name: {
            "service": name,
            "life": name,
            "ready": True,
            "outbox": 0,
            "next_timer": None,
            "produced": {},
            "handled": {},
            "topics": [],
        }
        for name in (*SERVICES, *SIMULATORS)
    }
    told["orders"] |= {"produced": {PAID: 5}, "topics": ["escrow.events.v1"], "handled": {HELD: 2}}
    told["escrow"] |= {"produced": {HELD: 2}, "topics": ["orders.events.v1"], "handled": {PAID: 5}}
    return told


class Asked:
    """A clockwork whose processes answer from `told`, one after another; `on_asked` is what happens before one does.
    `published` is what the broker tells, each time it is asked."""

    def __init__(self, folder: Path, told: Tellers, on_asked: Callable[[str], None] = lambda _: None) -> None:
        VirtualClock.create(folder / "clock", NOW)
        self._on_asked = on_asked
        self._told = told
        self.published: list[dict[TopicPartition, int]] = []
        where = addresses(f"virtual:{folder / 'clock'}")
        self.clockwork = Clockwork(where, teller=partial(Telling, self._answer), ends=self._ends)

    async def _answer(self, name: str) -> Progress:
        self._on_asked(name)
        return dict(self._told[name])

    async def _ends(self, _: object) -> dict[TopicPartition, int]:
        return self.published.pop(0) if self.published else {}


class Telling:
    """Stands for a process that is asked."""

    def __init__(self, answer: Callable[[str], Awaitable[Progress]], name: str) -> None:
        self.progress = partial(answer, name)

    def close(self) -> None:
        """There is no connection."""


async def test_a_quiet_stack_tells_the_next_timer(tmp_path: Path) -> None:
    told = quiet_stack()
    told["escrow"]["next_timer"] = (NOW + timedelta(days=10)).isoformat()
    told["orders"]["next_timer"] = (NOW + timedelta(days=3)).isoformat()
    assert await Asked(tmp_path, told).clockwork.settle() == NOW + timedelta(days=3)


@pytest.mark.parametrize(
    ("process", "what", "said"),
    [
        ("identity", {"ready": False}, "identity is not ready"),
        ("deposits", {"outbox": 2}, "deposits has 2 messages to publish"),
        ("escrow", {"next_timer": NOW.isoformat()}, "escrow has a timer due"),
        ("orders", {"produced": {PAID: 6}}, f"escrow has handled {PAID} up to 5 of 6"),
        ("escrow", {"handled": {}}, f"escrow has handled {PAID} up to 0 of 5"),
    ],
)
async def test_what_is_still_to_do_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process: str, what: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(clockwork, "QUIET_WITHIN", 0.0)
    told = quiet_stack()
    told[process] |= what
    with pytest.raises(EmbeddedError, match=said) as failed:
        await Asked(tmp_path, told).clockwork.settle()
    assert failed.value.code == "not_quiet"


async def test_what_the_driver_published_must_be_handled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clockwork, "QUIET_WITHIN", 0.0)
    asked = Asked(tmp_path, quiet_stack())
    asked.clockwork.published["orders.events.v1/0"] = 1
    with pytest.raises(EmbeddedError, match="escrow has handled orders"):
        await asked.clockwork.settle()


async def test_a_webhook_delivered_between_two_answers_is_not_missed(tmp_path: Path) -> None:
    """The provider posts to orders just before it is asked, and then has nothing left to tell of it."""
    told = quiet_stack()
    steps = [
        lambda: told["orders"].update(outbox=1),
        lambda: told["orders"].update(outbox=0, produced={PAID: 6}),
        lambda: told["escrow"].update(handled={PAID: 6}),
    ]

    def go_on(host: str) -> None:
        if host == "payments" and steps:
            steps.pop(0)()

    await Asked(tmp_path, told, go_on).clockwork.settle()
    assert not steps


async def test_the_clock_stops_at_every_timer_on_its_way(tmp_path: Path) -> None:
    told = quiet_stack()
    moments = [NOW + timedelta(days=days) for days in (1, 2, 9)]
    told["escrow"]["next_timer"] = moments[0].isoformat()
    seen = []

    def fire(host: str) -> None:
        due = datetime.fromisoformat(told["escrow"]["next_timer"])
        if host == "escrow" and asked.clockwork.clock.now() >= due:
            seen.append(asked.clockwork.clock.now())
            told["escrow"]["next_timer"] = moments[len(seen)].isoformat()

    asked = Asked(tmp_path, told, fire)
    assert await asked.clockwork.advance_to(NOW + timedelta(days=5)) == moments[2]
    assert seen == moments[:2]
    assert asked.clockwork.clock.now() == NOW + timedelta(days=5)


async def test_the_real_clock_cannot_be_driven() -> None:
    with pytest.raises(EmbeddedError, match="real_clock"):
        Clockwork(addresses("real"))


async def test_what_was_published_before_anybody_asked_must_be_handled_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may have been killed and started since, and knows nothing of what it published before."""
    monkeypatch.setattr(clockwork, "QUIET_WITHIN", 0.0)
    asked = Asked(tmp_path, quiet_stack())
    asked.published = [{TopicPartition("orders.events.v1", 3): 6}]
    with pytest.raises(EmbeddedError, match=f"escrow has handled {PAID} up to 5 of 6"):
        await asked.clockwork.settle()


async def test_the_broker_is_asked_again_when_a_process_was_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = quiet_stack()
    asked = Asked(tmp_path, told)
    published = {TopicPartition("orders.events.v1", 3): 5}
    asked.published = [published, {TopicPartition("orders.events.v1", 3): 6}]
    await asked.clockwork.settle()
    await asked.clockwork.settle()
    assert len(asked.published) == 1
    told["orders"] |= {"life": "the next", "produced": {}}
    monkeypatch.setattr(clockwork, "QUIET_WITHIN", 0.0)
    with pytest.raises(EmbeddedError, match=f"escrow has handled {PAID} up to 5 of 6"):
        await asked.clockwork.settle()


async def test_a_process_that_is_silent_is_waited_for_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent_for = [2]

    def be_silent(name: str) -> None:
        if name == "escrow" and silent_for[0] > 0:
            silent_for[0] -= 1
            raise Silent("nobody there")

    asked = Asked(tmp_path, quiet_stack(), be_silent)
    await asked.clockwork.settle()
    assert silent_for == [0]
    silent_for[0] = 10
    monkeypatch.setattr(clockwork, "QUIET_WITHIN", 0.0)
    with pytest.raises(EmbeddedError, match="escrow is silent: nobody there"):
        await asked.clockwork.settle()


def test_replicas_tell_as_one_service_what_was_handled_first_and_all_else_afterwards() -> None:
    """What one replica handled between the two answers another one may have published since, so it does not count."""
    idle = quiet_stack()["escrow"] | {"produced": {}, "handled": {}}
    early, late = (NOW + timedelta(days=days) for days in (1, 2))
    first = [idle | {"handled": {PAID: 4}}, idle | {"handled": {PAID: 2, HELD: 1}}]
    again = [
        idle | {"life": "a", "handled": {PAID: 5}, "next_timer": late.isoformat()},
        idle | {"life": "b", "produced": {HELD: 3}, "outbox": 1, "next_timer": early.isoformat()},
    ]
    assert as_one(first, again) == {
        "service": "escrow",
        "topics": ["orders.events.v1"],
        "lives": ["a", "b"],
        "ready": True,
        "handled": {PAID: 4, HELD: 1},
        "outbox": 1,
        "next_timer": early.isoformat(),
        "produced": {HELD: 3},
    }
    assert not as_one(first, [again[0], again[1] | {"ready": False}])["ready"]


async def test_what_one_replica_handled_and_another_published_is_not_missed(tmp_path: Path) -> None:
    """The leading replica of escrow tells what it published; then the other one handles a message, and what that sets
    going is published by the leading one and out of the outbox before the other one tells of it."""
    told = quiet_stack()
    told["orders"]["produced"] = {PAID: 6}
    told["escrow-2"] = told["escrow"] | {"life": "escrow-2", "handled": {}, "produced": {}}
    steps = [
        lambda: told.update(
            {"escrow-2": told["escrow-2"] | {"handled": {PAID: 6}}, "escrow": told["escrow"] | {"produced": {HELD: 3}}}
        ),
        lambda: told["orders"].update(handled={HELD: 3}),
    ]

    def go_on(name: str) -> None:
        if name == "escrow-2" and steps:
            steps.pop(0)()

    asked = Asked(tmp_path, told, go_on)
    where = addresses(f"virtual:{tmp_path / 'clock'}")
    replicated = replace(where, replicas={"escrow": ["escrow-2"]})
    await Clockwork(replicated, teller=partial(Telling, asked._answer), ends=asked._ends).settle()
    assert not steps
