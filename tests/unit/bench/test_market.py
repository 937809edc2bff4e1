"""The outside world answers what it hears, once, and knows whether every order ended as it should."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bench.market import SHORTEST_PAUSE, Market, Unexpected
from bench.plan import Fate, Mix, fate, order

MIX = Mix()
CONFIRMED = next(number for number in range(100) if fate(MIX, number) is Fate.CONFIRMED)
DISPUTED = next(number for number in range(100) if fate(MIX, number) is Fate.DISPUTED)
UNSHIPPED = next(number for number in range(100) if fate(MIX, number) is Fate.UNSHIPPED)


class Said:
    """Stands for the wire: what the world would publish."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, bytes]] = []

    def add(self, topic: str, partition: int, key: bytes, type: bytes, id: bytes, value: bytes) -> None:
        self.messages.append((type.decode(), key, value))

    @property
    def types(self) -> list[str]:
        return [type for type, _, _ in self.messages]


def a_market(count: int = 100, first: int = 0) -> tuple[Market, Said]:
    said = Said()
    market = Market(said, MIX, "ord-1", first, count)  # type: ignore[arg-type]
    market.place(count, 0.0)
    said.messages.clear()
    return market, said


def heard(number: int, type: str, value: dict[str, Any] | None = None, key: str = "") -> Any:
    return SimpleNamespace(
        headers=(
            ("ce_specversion", b"1.0"),
            ("ce_id", b"0198c8f1-2a3b-7c4d-9e5f-60718293a4b5"),
            ("ce_type", type.encode()),
            ("ce_time", b"2026-01-01T00:00:00Z"),
        ),
        key=(key or order(MIX, "ord-1", number).order_id).encode(),
        value=json.dumps(value or {}, separators=(",", ":")).encode(),
        partition=3,
    )


def rested(number: int, outcome: str) -> Any:
    return heard(number, "escrow.lines_rested.v1", {"lines": [1], "outcome": outcome, "order_at_rest": True})


def test_a_seller_ships_some_time_after_the_money_is_secured() -> None:
    market, said = a_market()

    market.hear(heard(CONFIRMED, "escrow.funds_secured.v1"), now=1.0)
    market.resume(1.0)
    assert said.types == []

    market.resume(1.0 + SHORTEST_PAUSE)
    assert said.types == ["orders.ship_order.v1"]


def test_an_order_that_is_never_shipped_waits_for_the_clock() -> None:
    market, said = a_market()

    market.hear(heard(UNSHIPPED, "escrow.funds_secured.v1"), now=1.0)
    market.hear(heard(UNSHIPPED, "escrow.funds_secured.v1"), now=1.0)
    market.resume(99.0)

    assert (said.types, market.overdue, market.moving) == ([], 1, 99)

    market.hear(rested(UNSHIPPED, "refunded"), now=2.0)
    assert (market.overdue, market.completed) == (0, 1)


def test_a_buyer_confirms_or_disputes_as_the_fate_says() -> None:
    market, said = a_market()

    market.hear(heard(CONFIRMED, "orders.order_delivered.v1"), now=1.0)
    market.hear(heard(DISPUTED, "orders.order_delivered.v1"), now=1.0)

    assert said.types == ["orders.confirm_receipt.v1", "disputes.open_dispute.v1"]
    dispute = said.messages[1][1].decode()
    market.hear(heard(DISPUTED, "disputes.dispute_opened.v1", key=dispute), now=1.0)
    assert said.types[2:] == ["disputes.rule_dispute.v1"]


def test_a_step_that_came_too_early_is_tried_again() -> None:
    market, said = a_market()
    refused = {"command_type": "orders.ship_order.v1", "code": "funds_not_secured"}

    market.hear(heard(CONFIRMED, "orders.command_refused.v1", refused), now=1.0)
    market.resume(1.0 + SHORTEST_PAUSE)

    assert (said.types, market.early) == (["orders.ship_order.v1"], 1)


def test_any_other_refusal_ends_the_run() -> None:
    market, _ = a_market()
    refused = {"command_type": "orders.place_order.v1", "code": "unknown_account"}

    with pytest.raises(Unexpected, match="unknown_account"):
        market.hear(heard(CONFIRMED, "orders.command_refused.v1", refused), now=1.0)


def test_an_order_is_completed_once_however_often_its_end_is_heard() -> None:
    market, _ = a_market()

    market.hear(rested(CONFIRMED, "released"), now=1.0)
    market.hear(rested(CONFIRMED, "released"), now=1.0)

    assert market.completed == 1


def test_a_part_of_an_order_at_rest_completes_nothing() -> None:
    market, _ = a_market()

    market.hear(heard(CONFIRMED, "escrow.lines_rested.v1", {"outcome": "released", "order_at_rest": False}), now=1.0)

    assert market.completed == 0


def test_what_belongs_to_another_run_is_not_heard() -> None:
    market, said = a_market()

    market.hear(heard(0, "orders.order_placed.v1", key="ord-2-00000000"), now=1.0)

    assert said.types == []


def test_every_order_must_end_as_its_fate_says() -> None:
    market, _ = a_market(count=100)
    ends = {Fate.CONFIRMED: "released", Fate.DISPUTED: "settled", Fate.UNSHIPPED: "refunded"}
    for number in range(100):
        if fate(MIX, number) is Fate.UNSHIPPED:
            market.hear(heard(number, "escrow.funds_secured.v1"), now=1.0)
        market.hear(rested(number, ends[fate(MIX, number)]), now=1.0)

    assert market.done
    market.check()

    market.outcomes["released"] -= 1
    market.outcomes["refunded"] += 1
    with pytest.raises(Unexpected, match="refunded"):
        market.check()
