"""Where each part of an order's money is, by when it is to move, and whom to ask (E11)."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.message import Role
from escrow import policy
from escrow.state import State
from escrow.whereabouts import where
from ledger.order_money import Leg, OrderMoney
from tests.unit.escrow.language import (
    ID,
    PAST,
    T0,
    TWO,
    Story,
    charged_back,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    given,
    paid,
    shipped,
)


def parts(story: Story, role: Role = Role.OPERATOR, later: timedelta = timedelta(0)) -> list[dict[str, Any]]:
    legs = tuple(
        Leg(each.id, each.debit, each.credit, each.amount, each.purpose, cause, each.corrects, T0)
        for cause, each in story.book.transfers(ID)
    )
    return where(story.state, OrderMoney(ID, {}, legs, ()), story.folding.now + later, role)


def told(part: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(part[name] for name in names)


def test_e11_what_is_held_waits_for_its_deadline_and_is_overdue_behind_it() -> None:
    story = given(*PAST[State.FUNDED])
    (held,) = parts(story)
    assert told(held, "owner", "held_by", "place", "overdue") == ("undecided", "platform", "held", False)
    assert held["amount"]["text"] == "100.00 EUR"
    assert (held["since"], held["expected_at"]) == (T0.isoformat(), story.tranche().deadline_at.isoformat())  # type: ignore[union-attr]
    (late,) = parts(story, later=days(60))
    assert late["overdue"]


def test_e11_a_refund_under_way_is_expected_by_the_policy_of_its_method() -> None:
    story = given(*PAST[State.REFUNDING])
    (refund,) = parts(story)
    assert told(refund, "owner", "held_by", "place", "reference") == (
        "buyer", "provider", "refund_in_transit", "refund-o-1-1",
    )  # fmt: skip
    assert refund["expected_at"] == (T0 + days(10)).isoformat()
    assert parts(story, later=days(11))[0]["overdue"]
    quick = policy.POLICIES[-1].refund_arrives
    assert quick["alipay"] < quick["bank_transfer"] < policy.POLICIES[-1].refund_arrives_otherwise


def test_e11_what_arrived_is_final() -> None:
    (refund,) = parts(given(*PAST[State.REFUNDED]))
    assert told(refund, "held_by", "place", "expected_at", "overdue") == ("buyer", "refunded", None, False)
    payout, fee = parts(given(*PAST[State.RELEASED]), later=days(900))
    assert told(payout, "owner", "held_by", "place", "overdue") == ("seller", "seller", "paid_out", False)
    assert told(fee, "owner", "place") == ("platform", "earned")
    assert fee["amount"]["amount"] + payout["amount"]["amount"] == 10_000


def test_e11_with_an_operator_it_says_so() -> None:
    payout, _ = parts(given(*PAST[State.WITH_OPERATOR]))
    assert told(payout, "place", "with_operator", "reference", "overdue") == (
        "payout_in_transit", True, "payout-o-1-1", True,
    )  # fmt: skip


def test_e11_the_bank_has_it() -> None:
    (taken,) = parts(given(*PAST[State.CHARGEBACK]))
    assert told(taken, "owner", "held_by", "reference") == ("undecided", "buyers_bank", "cb-1")
    (kept,) = parts(given(*PAST[State.CHARGED_BACK]))
    assert told(kept, "owner", "expected_at") == ("buyer", None)


def test_e11_e14_each_line_has_its_own_parts() -> None:
    story = given(paid(TWO), cleared(), shipped(), delivered(), disputed(2), confirmed(1))
    assert [told(each, "line_no", "place") for each in parts(story)] == [
        (1, "payout_in_transit"), (1, "earned"), (2, "held"),
    ]  # fmt: skip
    assert parts(story)[2]["reference"] == "d-1"


@pytest.mark.parametrize("state", PAST)
def test_e10_e11_nobody_sees_what_is_the_others(state: State) -> None:
    story = given(*PAST[state])
    for part in parts(story, Role.BUYER):
        assert part["owner"] != "platform" and (part["owner"] != "seller" or part["reference"] is None)
    for part in parts(story, Role.SELLER):
        if part["owner"] in ("buyer", "undecided"):
            assert part["amount"] is None and part["reference"] is None
            assert part["held_by"] in ("platform", None)


@pytest.mark.parametrize("state", PAST)
def test_e11_every_unit_of_the_payment_is_somewhere(state: State) -> None:
    found = parts(given(*PAST[state]))
    claimed = [each for each in found if each["place"] == "claimed"]
    assert sum(each["amount"]["amount"] for each in found if each not in claimed) == 10_000
    assert all(each["expected_at"] or each["place"] in FINAL or each["with_operator"] for each in found)


FINAL = {"paid_out", "refunded", "earned", "charged_back"}


def test_e11_a_chargeback_beside_a_refund_does_not_hide_the_refund() -> None:
    (refund,) = parts(given(*PAST[State.REFUNDING], charged_back()))
    assert refund["place"] == "refund_in_transit"
