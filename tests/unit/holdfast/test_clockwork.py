"""When a stack counts as quiet: only if nothing can be on its way, wherever it has got to."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast import clockwork
from holdfast.clockwork import Clockwork
from holdfast.embedded import EmbeddedError
from holdfast.stack import SERVICES, SIMULATORS, Addresses
from runtime.clock import VirtualClock

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
PAID, HELD = "orders.events.v1/3", "escrow.events.v1/7"

Tellers = dict[str, dict[str, Any]]


def addresses(clock: str) -> Addresses:
    return Addresses(1, "", "", clock, {name: f"http://{name}" for name in (*SERVICES, *SIMULATORS)}, {})


def quiet_stack() -> Tellers:
    """What every process tells when an order was paid and its money held, and all who read that have handled it."""
    told = {
        name: {
            "service": name,
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
    """A clockwork whose processes answer from `told`, one after another; `on_asked` is what happens before one does."""

    def __init__(self, folder: Path, told: Tellers, on_asked: Callable[[str], None] = lambda _: None) -> None:
        VirtualClock.create(folder / "clock", NOW)
        self._on_asked = on_asked
        self._told = told
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        self.clockwork = Clockwork(addresses(f"virtual:{folder / 'clock'}"), self.http)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self._on_asked(request.url.host)
        return httpx.Response(200, json=self._told[request.url.host])


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
    async with httpx.AsyncClient() as http:
        with pytest.raises(EmbeddedError, match="real_clock"):
            Clockwork(addresses("real"), http)
