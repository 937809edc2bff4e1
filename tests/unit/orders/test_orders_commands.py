"""Every command in every state, by every role."""

from collections.abc import Callable

import pytest

from contracts.message import Actor, Command, Role
from contracts.orders import CancelOrder, CancelReason, ConfirmReceipt, PayOrder, ShipOrder
from orders.address import SetShippingAddress
from orders.order import FINAL, UNPAID, Status
from orders.rules import ADMITS, PERMITTED, REASONS
from runtime.fold import Done
from tests.unit.orders.given import (
    BUYER,
    SELLER,
    START,
    cancel,
    confirm,
    days,
    given,
    in_state,
    pay,
    pay_deadline,
    place,
    send_home,
    ship,
)

BEFORE_SHIPPING = {Status.AWAITING_PAYMENT, Status.PAYMENT_PENDING, Status.PAID, Status.FUNDED}
CANCELLED = {Status.CANCELLING, Status.CANCELLED}

COMMANDS: dict[type[Command], Callable[[Actor], Command]] = {
    PayOrder: lambda actor: pay(actor=actor),
    ShipOrder: lambda actor: ship(actor=actor),
    ConfirmReceipt: lambda actor: confirm(actor=actor),
    CancelOrder: lambda actor: cancel(actor=actor),
    SetShippingAddress: lambda actor: send_home(actor=actor),
}


def code_for(command: type[Command], status: Status) -> str:
    """The rules as a person would say them; "" where the command is allowed."""
    if status in CANCELLED:
        return "order_cancelled"
    if status in FINAL or status is Status.REFUNDING:
        return "order_closed"
    in_transit = status in (Status.SHIPPED, Status.DELIVERED)
    if command is PayOrder:
        unpaid = {Status.AWAITING_PAYMENT: "", Status.PAYMENT_PENDING: "payment_pending"}
        return unpaid.get(status, "already_paid")
    if command is ConfirmReceipt:
        return "" if in_transit else "not_shipped"
    if in_transit:
        return "already_shipped"
    return "funds_not_secured" if command is ShipOrder and status is not Status.FUNDED else ""


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_every_command_in_every_state_is_allowed_or_refused_with_its_code(
    command: type[Command], status: Status
) -> None:
    world = in_state(status)
    before = world.order
    then = world.when(COMMANDS[command](SELLER if command is ShipOrder else BUYER))
    expected = code_for(command, status)
    if expected:
        assert then.code == expected
        assert (world.order, then.messages, then.timers) == (before, [], {})
    else:
        assert isinstance(then.result, Done)
        assert then.messages or then.postings
        assert world.order != before


def test_the_tables_have_every_cell_and_every_code_has_a_reason() -> None:
    assert ADMITS.keys() == PERMITTED.keys() == COMMANDS.keys()
    for column in ADMITS.values():
        assert column.keys() == set(Status)
        assert set(column.values()) <= {"", *REASONS}


OPEN_STATE = {
    PayOrder: Status.AWAITING_PAYMENT,
    ShipOrder: Status.FUNDED,
    ConfirmReceipt: Status.DELIVERED,
    CancelOrder: Status.FUNDED,
    SetShippingAddress: Status.PAID,
}
MAY = {
    PayOrder: {Role.BUYER, Role.SUPPORT, Role.SERVICE},
    ShipOrder: {Role.SELLER},
    ConfirmReceipt: {Role.BUYER},
    CancelOrder: {Role.BUYER, Role.SELLER, Role.SUPPORT},
    SetShippingAddress: {Role.BUYER, Role.SUPPORT},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("command", list(COMMANDS))
def test_each_role_may_what_it_may_and_no_more(command: type[Command], role: Role) -> None:
    own = {Role.BUYER: "buyer-1", Role.SELLER: "seller-1"}.get(role, "somebody")
    then = in_state(OPEN_STATE[command]).when(COMMANDS[command](Actor(id=own, role=role)))
    if role in MAY[command]:
        assert then.messages or then.postings
    else:
        assert then.code == "forbidden"


@pytest.mark.parametrize("status", [Status.AWAITING_PAYMENT, Status.DELIVERED, Status.CANCELLED])
@pytest.mark.parametrize("role", [Role.BUYER, Role.SELLER])
@pytest.mark.parametrize("command", list(COMMANDS))
def test_an_order_does_not_exist_for_other_buyers_and_sellers(
    command: type[Command], role: Role, status: Status
) -> None:
    stranger = Actor(id="buyer-1" if role is Role.SELLER else "seller-1", role=role)
    then = in_state(status).when(COMMANDS[command](stranger))
    assert then.code == "not_found"
    assert then.result == given().when(COMMANDS[command](stranger)).result


@pytest.mark.parametrize("command", list(COMMANDS))
def test_a_stale_version_is_refused(command: type[Command]) -> None:
    world = in_state(OPEN_STATE[command])
    asked = COMMANDS[command](SELLER if command is ShipOrder else BUYER)
    assert world.when(asked.model_copy(update={"expected_version": 0})).code == "stale_version"


def test_nothing_is_shipped_before_the_funds_are_secured_and_the_refusal_says_so_e4() -> None:
    then = in_state(Status.PAID).when(ship())
    assert then.code == "funds_not_secured"
    assert "not secured" in then.result.reason


def test_shipping_tells_escrow_and_asks_the_carrier_to_follow_the_parcel() -> None:
    world = in_state(Status.FUNDED)
    then = world.when(ship())
    assert then.kinds == ["OrderShipped", "TrackParcel"]
    shipped, track = then.messages
    assert (shipped.seller_id, shipped.tracking_number, shipped.shipped_at) == ("seller-1", "LP0001", world.now)
    assert (track.reference, track.carrier, track.tracking_number) == ("order-1", "cainiao", "LP0001")
    assert track.actor.role is Role.SERVICE


@pytest.mark.parametrize("status", sorted(BEFORE_SHIPPING))
@pytest.mark.parametrize(
    ("role", "reason", "fault"),
    [
        (Role.BUYER, CancelReason.CHANGED_MIND, "buyer"),
        (Role.BUYER, CancelReason.OUT_OF_STOCK, "buyer"),
        (Role.BUYER, CancelReason.SELLER_ASKED, "seller"),
        (Role.SELLER, CancelReason.CHANGED_MIND, "seller"),
        (Role.SELLER, CancelReason.OUT_OF_STOCK, "seller"),
        (Role.SELLER, CancelReason.SELLER_ASKED, "seller"),
        (Role.SUPPORT, CancelReason.CHANGED_MIND, "buyer"),
        (Role.SUPPORT, CancelReason.OUT_OF_STOCK, "seller"),
        (Role.SUPPORT, CancelReason.SELLER_ASKED, "seller"),
    ],
)
def test_a_cancellation_records_who_and_whose_fault_e11_e12(
    status: Status, role: Role, reason: CancelReason, fault: str
) -> None:
    world = in_state(status)
    actor = {Role.BUYER: BUYER, Role.SELLER: SELLER}.get(role, Actor(id="agent-1", role=role))
    then = world.when(cancel(actor, reason))
    cancelled = then.messages[0]
    assert (cancelled.cancelled_by, cancelled.reason, cancelled.fault) == (role, reason, fault)
    assert cancelled.paid is (status not in UNPAID)
    assert world.order.status is (Status.CANCELLED if status in UNPAID else Status.CANCELLING)
    assert world.order.cancellation is not None
    assert world.order.cancellation.fault == fault


@pytest.mark.parametrize("actor", [BUYER, SELLER, Actor(id="agent-1", role=Role.SUPPORT)])
def test_nobody_may_say_that_an_order_was_not_paid_but_the_deadline(actor: Actor) -> None:
    world = in_state(Status.AWAITING_PAYMENT)
    assert world.when(cancel(actor, CancelReason.NOT_PAID)).code == "invalid_reason"


def test_cancelling_before_payment_stops_the_deadline_and_asks_after_a_payment_under_way() -> None:
    waiting = in_state(Status.AWAITING_PAYMENT).when(cancel())
    assert (waiting.kinds, waiting.timers) == (["OrderCancelled"], {"pay_by": None})
    pending = in_state(Status.PAYMENT_PENDING).when(cancel())
    assert pending.kinds == ["OrderCancelled", "QueryOperation"]
    assert pending.timers == {"pay_by": None, "ask_again": START + days(1)}
    assert pending.messages[1].operation_id == "pay-order-1-1"


def test_payment_is_refused_at_the_deadline_even_if_the_timer_is_late() -> None:
    world = given(place())
    assert world.later(days(3)).when(pay()).code == "payment_deadline_passed"
    world.after(pay_deadline())
    assert world.when(pay()).code == "order_cancelled"


def test_confirming_all_lines_at_once_e7() -> None:
    for status in (Status.SHIPPED, Status.DELIVERED):
        world = in_state(status)
        then = world.when(confirm())
        assert then.kinds == ["ReceiptConfirmed"]
        assert then.messages[0].lines == ()
        assert world.when(confirm()).code == "already_confirmed"
        assert world.when(confirm(1)).code == "already_confirmed"


def test_confirming_line_by_line_e14() -> None:
    world = in_state(Status.DELIVERED)
    assert world.when(confirm(2)).messages[0].lines == (2,)
    assert world.when(confirm(2)).code == "already_confirmed"
    assert world.when(confirm(1, 2)).code == "already_confirmed"
    assert world.when(confirm()).messages[0].lines == (1,)
    assert world.when(confirm()).code == "already_confirmed"


def test_naming_every_line_means_all() -> None:
    assert in_state(Status.DELIVERED).when(confirm(2, 1)).messages[0].lines == ()


@pytest.mark.parametrize(
    ("lines", "code"), [((3,), "unknown_line"), ((1, 9), "unknown_line"), ((1, 1), "duplicate_line")]
)
def test_lines_to_confirm_must_be_lines_of_the_order(lines: tuple[int, ...], code: str) -> None:
    assert in_state(Status.DELIVERED).when(confirm(*lines)).code == code
