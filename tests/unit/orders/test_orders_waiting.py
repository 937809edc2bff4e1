"""`next` and what an order waits for, for every viewer in every state (X3)."""

import pytest

from contracts.message import Role
from orders.order import FINAL, Status
from orders.waiting import next_actions, waits
from tests.unit.orders.given import (
    SHIPPED,
    START,
    cancel,
    confirm,
    days,
    given,
    in_state,
    operator_needed,
    parcel,
    pay,
    place,
    receipt_reminder,
    refund,
    rested,
    review,
)

ADDRESS = "set_shipping_address"
NEXT: dict[Status, tuple[list[str], list[str], list[str]]] = {
    Status.AWAITING_PAYMENT: (
        ["pay_order", "cancel_order", ADDRESS],
        ["cancel_order"],
        ["pay_order", "cancel_order", ADDRESS],
    ),
    Status.PAYMENT_PENDING: (["cancel_order", ADDRESS], ["cancel_order"], ["cancel_order", ADDRESS]),
    Status.PAID: (["cancel_order", ADDRESS], ["cancel_order"], ["cancel_order", ADDRESS]),
    Status.FUNDED: (["cancel_order", ADDRESS], ["ship_order", "cancel_order"], ["cancel_order", ADDRESS]),
    Status.SHIPPED: (["confirm_receipt"], [], []),
    Status.DELIVERED: (["confirm_receipt"], [], []),
    **dict.fromkeys({Status.CANCELLING, Status.REFUNDING, *FINAL}, ([], [], [])),
}
"""By state: what buyer, seller and support may do."""

DAY = START + days(1)
WAITS: dict[Status, tuple[str, str, object, str] | None] = {
    Status.AWAITING_PAYMENT: ("buyer", "pay_order", START + days(3), "order_cancelled"),
    Status.PAYMENT_PENDING: ("provider", "confirm_payment", START + days(3), "order_cancelled"),
    Status.PAID: ("platform", "screen_order", None, "order_under_review"),
    Status.FUNDED: ("seller", "ship_order", START + days(10), "buyer_refunded"),
    Status.SHIPPED: ("carrier", "deliver_parcel", None, "buyer_refunded_if_tracked"),
    Status.DELIVERED: ("buyer", "confirm_receipt", None, "seller_paid"),
    Status.CANCELLING: ("platform", "start_refund", None, "operator_looks"),
    Status.REFUNDING: ("provider", "refund_buyer", None, "operator_looks"),
    **dict.fromkeys(FINAL),
}


@pytest.mark.parametrize("status", list(Status))
def test_everyone_is_told_what_they_may_do_x3(status: Status) -> None:
    order = in_state(status).order
    for role, expected in zip((Role.BUYER, Role.SELLER, Role.SUPPORT), NEXT[status], strict=True):
        assert [action.action for action in next_actions(order, role)] == expected, role
    for role in (Role.OPERATOR, Role.MEDIATOR, Role.REVIEWER):
        assert next_actions(order, role) == ()


@pytest.mark.parametrize("status", list(Status))
def test_every_state_says_whom_it_waits_for_until_when_and_what_silence_does_x3(status: Status) -> None:
    assert waits(in_state(status).order) == WAITS[status]


@pytest.mark.parametrize("status", list(Status))
def test_whoever_is_waited_for_may_do_it(status: Status) -> None:
    waiting = waits(in_state(status).order)
    if waiting and waiting.for_whom in ("buyer", "seller"):
        actions = next_actions(in_state(status).order, Role(waiting.for_whom))
        assert (waiting.what, waiting.until, waiting.on_silence) in actions


def test_deadlines_that_escrow_keeps_are_shown_once_it_told_them_e8() -> None:
    world = given(*SHIPPED, parcel(), receipt_reminder(19))
    (confirm_now,) = next_actions(world.order, Role.BUYER)
    assert (confirm_now.until, confirm_now.on_silence) == (START + days(19), "seller_paid")
    before = world.order
    assert world.when(receipt_reminder(19)).note
    assert world.order == before
    assert in_state(Status.RELEASED).when(receipt_reminder()).note


def test_a_stopped_order_waits_for_its_buyer() -> None:
    world = in_state(Status.PAID).after(review())
    assert waits(world.order) == ("buyer", "prove_identity", START + days(5), "buyer_refunded")


def test_when_all_is_confirmed_the_provider_pays_and_nothing_is_left_to_do() -> None:
    world = in_state(Status.DELIVERED).after(confirm())
    assert waits(world.order) == ("provider", "pay_seller", None, "operator_looks")
    assert next_actions(world.order, Role.BUYER) == ()


def test_a_cancelled_order_whose_payment_is_unknown_waits_for_the_provider() -> None:
    assert waits(given(place(), pay(), cancel()).order) == ("provider", "tell_of_payment", None, "asked_again_daily")


def test_money_that_needs_an_operator_says_so_to_all_and_gives_the_operator_the_action() -> None:
    world = in_state(Status.REFUNDING).after(operator_needed(1))
    assert waits(world.order) == ("operator", "settle_operation", None, "money_waits")
    assert [action.action for action in next_actions(world.order, Role.OPERATOR)] == ["settle_operation"]
    assert world.when(operator_needed(1)).note == "this is known"
    world.after(rested(1, at_rest=False))
    assert waits(world.order) == ("provider", "refund_buyer", None, "operator_looks")
    assert world.after(refund(), rested()).order.status in FINAL
