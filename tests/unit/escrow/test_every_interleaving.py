"""Whatever the order of events, the buyer is refunded at most once: every interleaving, from every state (E13)."""

from collections.abc import Sequence

import pytest

from contracts.message import Message
from escrow import operations
from escrow.state import State
from tests.unit.escrow.interleavings import Broken, beginning, explore
from tests.unit.escrow.language import (
    DELIVERED,
    PAST,
    PAYOUT_BOUNCED,
    TWO,
    Step,
    brought_back,
    charged_back,
    cleared,
    confirmed,
    days,
    delivered,
    deposit_pays,
    disputed,
    given,
    given_back,
    hours,
    lost,
    paid,
    paid_late,
    refund_fails,
    ruled,
    shipped,
)

DEPTH = 5

BOTH_LINES = (paid(TWO), cleared(), shipped(), delivered())
WHOLE_OF_TWO: dict[str, Message] = {
    "chargeback received": charged_back(13_000),
    "chargeback reversed": given_back(13_000),
    "dispute opened": disputed(1, 2),
    "ruled: split": ruled({1: 3_000, 2: 5_000}),
    "line 1 confirmed": confirmed(1),
}

FURTHER: dict[str, Sequence[Step]] = {
    "a payout that bounced": PAYOUT_BOUNCED,
    "a refund that failed": (*PAST[State.REFUNDING], refund_fails),
    "a refund with an operator": (*PAST[State.REFUNDING], days(6)),
    "a split with an operator": (*PAST[State.SETTLING], days(6)),
    "a claim with an operator": (*PAST[State.RECOVERING], days(6)),
    "a refund that the deposit pays": (*PAST[State.RECOVERING], deposit_pays(4_000)),
    "a failed refund beside a chargeback": (*PAST[State.REFUNDING], charged_back(), refund_fails, hours(1)),
    "a case suspended and restored": (*DELIVERED, disputed(), charged_back(), given_back()),
}


@pytest.mark.parametrize("state", PAST)
def test_e13_from_every_state_every_interleaving_refunds_at_most_once(state: State) -> None:
    assert explore(beginning(given(*PAST[state])), DEPTH) > 30


@pytest.mark.parametrize("past", FURTHER)
def test_e13_from_where_something_went_wrong_before(past: str) -> None:
    assert explore(beginning(given(*FURTHER[past])), DEPTH) > 30


@pytest.mark.parametrize("payment", [paid(), paid_late()], ids=["in time", "late"])
def test_e13_a_payment_and_a_chargeback_heard_of_in_any_order(payment: Message) -> None:
    assert explore(beginning(given()), DEPTH, {"payment": payment}) > 30


@pytest.mark.parametrize("state", [State.FUNDED, State.SHIPPED, State.INSPECTION, State.DISPUTED, State.CHARGEBACK])
def test_e9_e13_a_parcel_lost_brought_back_and_delivered_in_any_order(state: State) -> None:
    parcel: dict[str, Message] = {"brought back": brought_back(), "lost": lost(), "delivered": delivered()}
    assert explore(beginning(given(*PAST[state])), DEPTH, parcel) > 1000


def test_e9_e14_a_parcel_of_two_lines_is_brought_back() -> None:
    parcel = WHOLE_OF_TWO | {"brought back": brought_back()}
    assert explore(beginning(given(paid(TWO), cleared(), shipped())), DEPTH - 1, parcel) > 1000


def test_e13_a_second_chargeback_and_part_of_the_payment() -> None:
    banks: dict[str, Message] = {
        "chargeback received": charged_back(4_000),
        "chargeback reversed": given_back(4_000),
        "second chargeback received": charged_back(6_000, id="cb-2"),
        "second chargeback reversed": given_back(6_000, id="cb-2"),
    }
    for state in (State.DISPUTED, State.REFUNDING, State.SETTLING):
        assert explore(beginning(given(*PAST[state])), DEPTH - 1, banks) > 1000


def test_e13_e14_the_lines_of_an_order_each_on_its_own_way() -> None:
    assert explore(beginning(given(*BOTH_LINES)), DEPTH - 1, WHOLE_OF_TWO) > 1000
    released = (*BOTH_LINES, disputed(1), confirmed(2))
    assert explore(beginning(given(*released)), DEPTH, WHOLE_OF_TWO) > 1000


def test_the_search_finds_a_refund_beside_a_chargeback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "open_chargeback", lambda order: False)
    with pytest.raises(Broken, match=r"chargeback received .* is sent while the bank has the money"):
        explore(beginning(given(*PAST[State.REFUNDING])), DEPTH)


def test_the_search_finds_a_second_refund(monkeypatch: pytest.MonkeyPatch) -> None:
    send = operations.send

    def forgetful(order: object, kind: object, group: object) -> object:
        first = send(order, kind, group)  # type: ignore[arg-type]
        return send(first.order, kind, group)  # type: ignore[arg-type]

    monkeypatch.setattr(operations, "send", forgetful)
    with pytest.raises(Broken, match="two refunds"):
        explore(beginning(given(*PAST[State.FUNDED])), DEPTH)
