"""Every ending an order can have, driven over HTTP and Kafka on a whole stack under the virtual clock."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.replay.report import Report
from holdfast.replay.run import read_file, replay
from holdfast.stack import Stack

FILE = Path(__file__).parent / "orders.csv"


@pytest.fixture(scope="module")
def report(stack: Stack) -> Report:
    plans, bad = read_file(FILE)
    return asyncio.run(replay(stack.addresses, plans, bad, strict=False, progress=lambda *_: None))


@pytest.mark.parametrize(
    ("order_id", "state"),
    [
        ("confirmed", "released"),
        ("silent", "released"),
        ("late", "refunded"),
        ("unpaid", "cancelled"),
        ("eager", "released"),
        ("asked", "refunded"),
        ("split", "settled"),
        ("partial", "mixed"),
        ("verified", "released"),
        ("rejected", "refunded"),
        ("expired", "refunded"),
        ("after", "refunded"),
        ("nowhere", "refunded"),
    ],
)
def test_every_order_ends_as_its_rules_say(report: Report, stack: Stack, order_id: str, state: str) -> None:
    assert order_of(stack, order_id)["state"] == state


def test_the_money_is_proved_and_everything_rests_X1(report: Report) -> None:
    assert report.clean
    assert {currency["currency"] for currency in report.proofs["escrow"]["currencies"]} == {"EUR", "JPY", "KWD", "USD"}
    assert report.proofs["deposits"]["ok"]


def test_what_the_timers_did_is_counted_E5_E8(report: Report) -> None:
    did = report.played.by_themselves
    assert did["refund_started:not_shipped"] == 1
    assert did["refund_started:not_delivered"] == 1
    assert did["refund_started:review_expired"] == 1
    assert did["funds_released:buyer_silent"] == 2
    assert did["order_cancelled:not_paid"] == 1
    assert did["shipment_reminder_due"] == 1
    assert did["receipt_reminder_due"] >= 1


def test_a_parcel_handed_over_too_early_is_refused_and_offered_again_E4(report: Report, stack: Stack) -> None:
    refused = [(one.order_id, one.action, one.code) for one in report.played.refusals]
    assert refused == [("eager", "ShipOrder", "funds_not_secured")]
    assert report.played.offered_again == 1


def test_a_seller_sees_nothing_of_the_buyer_E10(report: Report, stack: Stack) -> None:
    seen = order_of(stack, "confirmed", actor="seller:s-1")
    assert "b-1" not in str(seen)


def test_a_stranger_is_told_there_is_no_such_order(report: Report, stack: Stack) -> None:
    stranger = stack.addresses.minter().bearer("buyer", "b-2")
    answer = httpx.get(f"{stack.addresses.services['orders']}/orders/confirmed", headers=stranger)
    assert answer.status_code == 404 and answer.json()["code"] == "not_found"


def test_who_asked_for_a_cancellation_is_recorded_E12(report: Report, stack: Stack) -> None:
    assert order_of(stack, "asked")["cancellation"]["fault"] == "seller"


def order_of(stack: Stack, order_id: str, actor: str = "operator:tests") -> dict[str, Any]:
    token = stack.addresses.minter().bearer(*actor.split(":"))
    answer = httpx.get(f"{stack.addresses.services['orders']}/orders/{order_id}", headers=token)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found
