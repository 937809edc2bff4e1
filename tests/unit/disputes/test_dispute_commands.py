"""Every command in every state, by every role."""

from collections.abc import Callable

import pytest

from contracts.disputes import (
    ConfirmReturn,
    DisputeReason,
    DisputeResolved,
    OpenDispute,
    RuleDispute,
    ShipReplacement,
    ShipReturn,
    WithdrawDispute,
)
from contracts.message import Actor, Command, Role
from disputes.case import Status
from disputes.rules import PERMITTED, REASONS
from tests.folding import Folding
from tests.unit.disputes.given import (
    BUYER,
    MEDIATOR,
    SELLER,
    START,
    SUPPORT,
    B,
    K,
    R,
    S,
    X,
    case,
    confirm_return,
    days,
    funds_held,
    given,
    in_state,
    not_admitted,
    nothing_happens,
    open_dispute,
    rule,
    ship_replacement,
    ship_return,
    withdraw,
)

COMMANDS: dict[type[Command], Callable[[Actor], Command]] = {
    WithdrawDispute: withdraw,
    RuleDispute: lambda actor: rule(R, K, actor=actor),
    ShipReturn: ship_return,
    ConfirmReturn: confirm_return,
    ShipReplacement: ship_replacement,
}
ACTORS = {Role.BUYER: BUYER, Role.SELLER: SELLER, Role.MEDIATOR: MEDIATOR}
OVER = ("case_closed",) * 5

# Withdraw, rule, ship the return, confirm the return, ship the replacement.
CELLS = {
    Status.OPEN: ("", "", "not_ruled", "not_ruled", "not_ruled"),
    Status.WITHDRAWN: OVER,
    Status.CLOSED: OVER,
    Status.RULED: ("already_ruled", "already_ruled", "no_return_ruled", "no_return_ruled", "no_replacement_ruled"),
    Status.AWAITING_RETURN: ("already_ruled", "already_ruled", "", "return_not_shipped", "no_replacement_ruled"),
    Status.RETURN_SHIPPED: ("already_ruled", "already_ruled", "already_shipped", "", "no_replacement_ruled"),
    Status.RETURNED: (
        "already_ruled",
        "already_ruled",
        "already_received",
        "already_received",
        "no_replacement_ruled",
    ),
    Status.AWAITING_REPLACEMENT: ("already_ruled", "already_ruled", "no_return_ruled", "no_return_ruled", ""),
    Status.REPLACEMENT_SHIPPED: (
        "already_ruled",
        "already_ruled",
        "no_return_ruled",
        "no_return_ruled",
        "already_shipped",
    ),
}


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_in_every_state_is_allowed_or_refused_with_its_code(
    command: type[Command], status: Status
) -> None:
    service = in_state(status)
    asked = COMMANDS[command](ACTORS[PERMITTED[command]])
    code = CELLS[status][list(COMMANDS).index(command)]
    if code:
        assert service.refuses(asked) == code
        assert code in REASONS
    else:
        before = case(service)
        assert service.tell(asked)
        assert case(service) != before


OPEN_STATE = {
    WithdrawDispute: Status.OPEN,
    RuleDispute: Status.OPEN,
    ShipReturn: Status.AWAITING_RETURN,
    ConfirmReturn: Status.RETURN_SHIPPED,
    ShipReplacement: Status.AWAITING_REPLACEMENT,
}


@pytest.mark.parametrize("command", [ShipReturn, ConfirmReturn, ShipReplacement])
def test_a_step_is_refused_at_its_deadline_even_if_the_timer_is_late(command: type[Command]) -> None:
    service = in_state(OPEN_STATE[command])
    (due_at,) = service.timers.values()
    asked = COMMANDS[command](ACTORS[PERMITTED[command]])
    service.now = due_at
    assert service.refuses(asked) == "deadline_passed"
    service.now = due_at - days(0.001)
    assert service.tell(asked)


MAY = {
    WithdrawDispute: Role.BUYER,
    RuleDispute: Role.MEDIATOR,
    ShipReturn: Role.BUYER,
    ConfirmReturn: Role.SELLER,
    ShipReplacement: Role.SELLER,
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_role_may_what_it_may_and_no_more(command: type[Command], role: Role) -> None:
    service = in_state(OPEN_STATE[command])
    asked = COMMANDS[command](ACTORS.get(role, Actor(id="somebody", role=role)))
    if role is MAY[command]:
        assert service.tell(asked)
    else:
        assert service.refuses(asked) == "forbidden"


@pytest.mark.parametrize("status", [Status.OPEN, Status.RETURN_SHIPPED, Status.CLOSED])
@pytest.mark.parametrize("role", [Role.BUYER, Role.SELLER])
@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_case_does_not_exist_for_other_buyers_and_sellers(command: type[Command], role: Role, status: Status) -> None:
    stranger = Actor(id="buyer-1" if role is Role.SELLER else "seller-1", role=role)
    there, nowhere = in_state(status), given()
    assert there.refuses(COMMANDS[command](stranger)) == "not_found"
    assert nowhere.refuses(COMMANDS[command](stranger)) == "not_found"
    assert there.refused == nowhere.refused


@pytest.mark.parametrize("id", ["buyer-1", "seller-1"])
def test_nobody_rules_a_case_of_their_own_d5(id: str) -> None:
    assert in_state(Status.OPEN).refuses(rule(R, K, actor=Actor(id=id, role=Role.MEDIATOR))) == "forbidden"


def test_a_stale_version_is_refused() -> None:
    asked = rule(R, K).model_copy(update={"expected_version": 7})
    assert in_state(Status.OPEN).refuses(asked) == "stale_version"


# Opening


@pytest.mark.parametrize("reason", list(DisputeReason))
def test_a_buyer_opens_a_case_about_lines_of_an_order_for_each_reason_d1(reason: DisputeReason) -> None:
    service = given()
    (opened,) = service.tell(open_dispute(3, 1, reason=reason))
    assert (opened.buyer_id, opened.seller_id, opened.lines, opened.reason) == ("buyer-1", "seller-1", (1, 3), reason)
    assert case(service).status is Status.OPEN
    assert case(service).rule_by == START + days(30)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("id", ["buyer-1", "somebody"])
def test_only_the_orders_buyer_opens_a_case_or_support_for_them(role: Role, id: str) -> None:
    service = given()
    asked = open_dispute(actor=Actor(id=id, role=role))
    if role is Role.SUPPORT or (role is Role.BUYER and id == "buyer-1"):
        assert service.tell(asked)
    else:
        assert service.refuses(asked) == ("not_found" if role is Role.BUYER else "forbidden")


@pytest.mark.parametrize("status", list(Status))
def test_the_same_case_is_never_opened_twice(status: Status) -> None:
    assert in_state(status).refuses(open_dispute()) == "already_exists"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (open_dispute(order_id="order-2"), "not_found"),
        (open_dispute(order_id="order-2", actor=SUPPORT), "not_found"),
        (open_dispute(4), "unknown_line"),
        (open_dispute(1, 9), "unknown_line"),
        (open_dispute(2, 2), "duplicate_line"),
        (open_dispute(dispute_id="c" * 41), "invalid_dispute_id"),
    ],
)
def test_what_is_wrong_with_a_new_case_has_its_code(asked: OpenDispute, code: str) -> None:
    service = given()
    assert service.refuses(asked) == code
    assert service.state("disputes", asked.dispute_id) is None


def test_an_order_can_be_disputed_once_its_money_is_held_and_is_learnt_of_once() -> None:
    service = Folding(given().service, START)
    assert service.refuses(open_dispute()) == "not_found"
    service.tell(funds_held())
    assert nothing_happens(service, funds_held([1]))
    assert service.tell(open_dispute())


def test_two_cases_about_one_line_are_both_opened_and_escrow_lets_one_in() -> None:
    service = given(open_dispute(1, 2))
    assert service.tell(open_dispute(2, 3, dispute_id="case-2"))
    refusal = not_admitted(2).model_copy(update={"dispute_id": "case-2"})
    service.tell(refusal)
    second = service.state("disputes", "case-2")
    assert [(line.line_no, line.dropped) for line in second.lines] == [(2, "already_disputed"), (3, "")]
    assert case(service).status is second.status is Status.OPEN


def test_a_withdrawn_case_may_be_followed_by_a_new_one_d7() -> None:
    service = given(open_dispute())
    (withdrawn,) = service.tell(withdraw())
    assert withdrawn.lines == (1, 2)
    assert service.tell(open_dispute(dispute_id="case-2"))


# Ruling


def test_a_ruling_names_every_line_of_the_case_once_and_goes_to_escrow_as_it_is_d5() -> None:
    service = given(open_dispute(1, 2, 3))
    asked = rule((3, K), (1, S), (2, R))
    (resolved,) = service.tell(asked)
    assert isinstance(resolved, DisputeResolved)
    assert (resolved.order_id, resolved.rulings) == ("order-1", asked.rulings)
    assert [(line.verdict, line.buyer_basis_points) for line in case(service).lines] == [
        (S, 2_500),
        (R, None),
        (K, None),
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (rule(R), "incomplete_ruling"),
        (rule((2, R)), "incomplete_ruling"),
        (rule(R, K, R), "unknown_line"),
        (rule((1, R), (3, K)), "unknown_line"),
        (rule((1, R), (2, K), (2, R)), "duplicate_line"),
        (rule((1, R), (1, R)), "duplicate_line"),
    ],
)
def test_a_ruling_that_misses_adds_or_repeats_a_line_is_refused(asked: RuleDispute, code: str) -> None:
    assert in_state(Status.OPEN).refuses(asked) == code


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (rule(R, R), Status.RULED),
        (rule(K, K), Status.RULED),
        (rule(S, R), Status.RULED),
        (rule(B, R), Status.AWAITING_RETURN),
        (rule(X, R), Status.AWAITING_REPLACEMENT),
        (rule(B, X), Status.AWAITING_RETURN),
    ],
)
def test_the_ruling_decides_what_is_waited_for(asked: RuleDispute, status: Status) -> None:
    service = given(open_dispute())
    service.tell(asked)
    assert case(service).status is status


# Return and replacement


def test_a_return_is_shipped_by_the_buyer_and_confirmed_by_the_seller_d10() -> None:
    service = given(open_dispute(1, 2, 3), rule(B, K, B))
    (shipped,) = service.tell(ship_return())
    assert shipped.lines == (1, 3)
    leg = case(service).return_leg
    assert leg is not None
    assert (leg.carrier, leg.tracking_number) == ("dhl", "BACK-0001")
    (received,) = service.tell(confirm_return())
    assert received.lines == (1, 3)
    assert case(service).status is Status.RETURNED


def test_a_replacement_is_followed_by_the_carrier_under_the_order_d10() -> None:
    service = in_state(Status.AWAITING_REPLACEMENT)
    shipped, track = service.tell(ship_replacement())
    assert (shipped.lines, shipped.tracking_number) == ((1,), "AGAIN-0001")
    assert (track.reference, track.carrier, track.tracking_number) == ("order-1", "cainiao", "AGAIN-0001")
    assert (track.actor.id, track.actor.role) == ("disputes", Role.SERVICE)


def test_a_return_and_a_replacement_in_one_case_go_their_own_ways() -> None:
    service = given(open_dispute(), rule(B, X))
    course = [
        (ship_return(), Status.AWAITING_REPLACEMENT),
        (ship_replacement(), Status.RETURN_SHIPPED),
        (confirm_return(), Status.REPLACEMENT_SHIPPED),
    ]
    for command, status in course:
        service.tell(command)
        assert service.refused is None
        assert case(service).status is status
