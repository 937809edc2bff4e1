"""What is shown of an order's money, and the document that is drawn from the table (E11, X2)."""

import json

import pytest

from contracts.message import Role
from escrow import diagram, policy
from escrow.api import API
from escrow.repository import operator_queue, overdue
from escrow.service import SERVICE
from escrow.shapes import EscrowShown
from escrow.state import MEANING, State
from escrow.views import escrow_view, queue_entry
from tests.unit.escrow.language import (
    PAST,
    T0,
    TWO,
    charged_back,
    cleared,
    confirmed,
    days,
    disputed,
    given,
    line,
    order,
    paid,
    shipped,
)


def test_the_document_agrees_with_the_table() -> None:
    assert diagram.DOCUMENT.read_text(encoding="utf-8") == diagram.document(), "run python -m escrow.diagram"
    assert diagram.main(["--check"]) == 0


def test_x2_the_document_names_every_state_message_and_span() -> None:
    text = diagram.document()
    for state in State:
        assert f"\n### {state.value}\n" in text
        assert MEANING[state] in text
    for message in SERVICE.routes:
        assert message.__name__ in text
    for span in policy.SPANS:
        assert f"| {span.__name__.replace('_', ' ')} |" in text


@pytest.mark.parametrize("state", list(PAST))
def test_every_state_can_be_shown_with_what_happens_on_silence(state: State) -> None:
    story = given(*PAST[state])
    view = escrow_view(story.state, 3)
    assert json.loads(json.dumps(view)) == view
    (shown,) = view["lines"]
    assert (shown["state"], shown["meaning"]) == (state.value, MEANING[state])
    assert (shown["on_silence"] is None) == (shown["deadline_at"] is None)


def test_e11_what_happens_on_silence_is_what_then_happens() -> None:
    for state in PAST:
        story = given(*PAST[state])
        silence = escrow_view(story.state, 1)["lines"][0]["on_silence"]
        deadline = story.tranche().deadline_at
        if deadline is not None:
            story.when(deadline - story.folding.now)
            assert story.tranche().state.value == silence["state"], state


def test_e11_each_line_has_its_own_state_deadline_and_amounts() -> None:
    yen = order(line(1, 10_000, 1_623, of="USD", paid_in="JPY"))
    view = escrow_view(given(paid(yen), cleared(), shipped(), confirmed()).state, 5)
    (shown,) = view["lines"]
    assert shown["presented"] == {"amount": 1_623, "currency": "JPY", "text": "1623 JPY"}
    assert shown["to_seller"] == {"amount": 9_500, "currency": "USD", "text": "95.00 USD"}
    assert view["operations"][0]["standing"] == "sent"
    view = escrow_view(given(paid(TWO), cleared(), disputed(2)).state, 3)
    assert [each["state"] for each in view["lines"]] == ["funded", "disputed"]
    assert view["lines"][0]["deadline_at"] == (T0 + days(10)).isoformat()
    assert view["lines"][1]["paused"] == ["funded"]


def test_e10_nothing_but_ids_of_the_two_parties_is_shown() -> None:
    view = escrow_view(given(*PAST[State.RELEASED]).state, 1)
    assert {"b-1", "s-1"} == {view["buyer_id"], view["seller_id"]}
    assert "country" not in json.dumps(view)


def test_e10_a_buyer_sees_neither_the_fee_nor_the_payout_and_a_seller_no_refund() -> None:
    split = given(*PAST[State.SETTLING]).state
    kinds = {role: {each["kind"] for each in escrow_view(split, 1, role)["operations"]} for role in Role}
    assert kinds[Role.BUYER] == {"refund"} and kinds[Role.SELLER] == {"payout"}
    assert kinds[Role.SUPPORT] == {"refund", "payout"}
    for role, unseen in ((Role.BUYER, {"fee", "to_seller"}), (Role.SELLER, {"presented", "to_buyer"})):
        view = escrow_view(split, 1, role)
        (shown,) = view["lines"]
        assert unseen.isdisjoint(shown)
        assert set(shown["operations"]) == {each["operation_id"] for each in view["operations"]}
        EscrowShown.model_validate(view)


def test_a_concern_about_the_payout_is_not_the_buyers() -> None:
    stuck = given(*PAST[State.WITH_OPERATOR]).state
    seen = {role: [each["operation_id"] for each in escrow_view(stuck, 1, role)["concerns"]] for role in Role}
    assert seen[Role.BUYER] == []
    assert seen[Role.SELLER] == seen[Role.OPERATOR] == ["payout-o-1-1"]


def test_the_operators_queue_says_what_is_asked_and_about_what() -> None:
    entry = queue_entry(given(*PAST[State.WITH_OPERATOR]).state, 9)
    (asked,) = entry["concerns"]
    assert (asked["operation_id"], asked["code"], asked["lines"]) == ("payout-o-1-1", "operation_unanswered", [1])
    assert [each["operation_id"] for each in entry["operations"]] == ["payout-o-1-1"]
    assert json.loads(json.dumps(entry)) == entry


def test_columns_follow_the_state() -> None:
    (aggregate,) = SERVICE.aggregates
    columns = {name: column.read(given(*PAST[State.REFUNDED], charged_back()).state)
               for name, column in aggregate.columns.items()}  # fmt: skip
    assert columns == {
        "buyer_id": "b-1", "seller_id": "s-1", "at_rest": True, "with_operator": True, "deadline_at": None,
    }  # fmt: skip


def test_the_api_offers_both_commands_the_order_and_the_proof() -> None:
    assert [each.path for each in API.commands] == [
        "/escrow/{order_id}/operations/{operation_id}/retry",
        "/escrow/{order_id}/operations/{operation_id}/result",
    ]
    paths = {route.path for router in API.routers for route in router.routes}  # type: ignore[attr-defined]
    assert paths == {
        "/operator-queue", "/overdue", "/money/proof", "/money/orders/{order_id}", "/escrow/{order_id}",
        "/reconciliations", "/reconciliations/{day}",
    }  # fmt: skip
    assert callable(operator_queue) and callable(overdue)
