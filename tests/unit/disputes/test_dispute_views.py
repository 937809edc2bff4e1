"""What each reader sees of a case."""

import json

import pytest

from contracts.message import Role
from disputes.case import Status
from disputes.views import case_summary, case_view, next_actions
from tests.unit.disputes.given import START, TEN_DAYS, TWENTY_DAYS, case, days, in_state


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("status", list(Status))
def test_every_state_can_be_shown_to_everyone(status: Status, role: Role) -> None:
    state = case(in_state(status))
    for view in (case_view(state, 3, role), case_summary(state, 3, role)):
        assert (view["dispute_id"], view["state"], view["version"]) == ("case-1", status.value, 3)
        assert json.loads(json.dumps(view)) == view
        assert ("buyer-1" in json.dumps(view)) is (role is not Role.SELLER), "E10"


@pytest.mark.parametrize(
    ("status", "role", "actions"),
    [
        (Status.OPEN, Role.BUYER, [("withdraw_dispute", None, "case_goes_on")]),
        (Status.OPEN, Role.MEDIATOR, [("rule_dispute", START + days(30), "buyer_refunded")]),
        (Status.OPEN, Role.SELLER, []),
        (Status.AWAITING_RETURN, Role.BUYER, [("ship_return", START + TEN_DAYS, "seller_paid")]),
        (Status.AWAITING_RETURN, Role.SELLER, []),
        (Status.RETURN_SHIPPED, Role.SELLER, [("confirm_return", START + TWENTY_DAYS, "buyer_refunded")]),
        (Status.AWAITING_REPLACEMENT, Role.SELLER, [("ship_replacement", START + TEN_DAYS, "buyer_refunded")]),
        (Status.RULED, Role.MEDIATOR, []),
        (Status.CLOSED, Role.BUYER, []),
        (Status.OPEN, Role.SUPPORT, []),
    ],
)
def test_next_is_what_the_tables_allow_with_deadline_and_silence_x3(
    status: Status, role: Role, actions: list[object]
) -> None:
    assert list(next_actions(case(in_state(status)), role)) == actions
