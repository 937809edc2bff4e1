"""The example marketplace: the file that is made, every ending there is, and refusals only where they are meant."""

import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.replay.reader import Plan, read

EXAMPLES = Path(__file__).parents[3] / "examples"
PROTECTED = timedelta(days=15)
"""Within so long after the release the buyer may still open a case."""


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    with (EXAMPLES / "marketplace.csv").open(newline="") as rows:
        plans, bad = read(rows)
    assert not bad
    return plans


def refunded_after_release(plan: Plan) -> bool:
    return any(
        line.confirmed_at and line.disputed_at and line.disputed_at > line.confirmed_at and line.ruling
        and line.ruling.verdict != "seller" for line in plan.lines
    )  # fmt: skip


def test_it_is_what_its_maker_makes() -> None:
    made = subprocess.run(
        [sys.executable, EXAMPLES / "make_marketplace.py"], capture_output=True, check=True, timeout=60
    )
    assert made.stdout == (EXAMPLES / "marketplace.csv").read_bytes()


def test_it_has_every_ending_and_six_currencies(plans: list[Plan]) -> None:
    assert len(plans) >= 200
    assert {plan.currency for plan in plans} >= {"EUR", "USD", "GBP", "CNY", "JPY", "KWD"}
    assert {plan.cancelled_by for plan in plans} >= {"buyer", "seller", "seller_asked", "reviewer"}
    verdicts = {line.ruling.verdict for plan in plans for line in plan.lines if line.ruling}
    assert verdicts == {"buyer", "seller", "split"}
    assert any(len(plan.lines) > 1 for plan in plans)
    assert sum(map(refunded_after_release, plans)) >= 3


def test_a_seller_whose_deposit_is_claimed_has_no_other_order(plans: list[Plan]) -> None:
    """Who has no deposit left takes no orders, and the endings these stand for would not be seen."""
    orders = Counter(plan.seller_id for plan in plans)
    assert {orders[plan.seller_id] for plan in plans if refunded_after_release(plan)} == {1}


def test_nobody_rules_a_case_that_came_too_late(plans: list[Plan]) -> None:
    lines = [line for plan in plans for line in plan.lines if line.confirmed_at and line.disputed_at]
    late = [line for line in lines if line.disputed_at > line.confirmed_at + PROTECTED]
    assert late and not any(line.ruling for line in late)
