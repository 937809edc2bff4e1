"""Who may ask what of an order, and in which state: two tables, and the check that reads them."""

from collections.abc import Mapping

from contracts.message import Command, Role
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, ShipOrder
from orders.address import SetShippingAddress
from orders.order import Order, Status
from runtime.decision import Refused

PERMITTED: Mapping[type[Command], frozenset[Role]] = {
    PayOrder: frozenset({Role.BUYER, Role.SUPPORT, Role.SERVICE}),
    ShipOrder: frozenset({Role.SELLER}),
    ConfirmReceipt: frozenset({Role.BUYER}),
    CancelOrder: frozenset({Role.BUYER, Role.SELLER, Role.SUPPORT}),
    SetShippingAddress: frozenset({Role.BUYER, Role.SUPPORT}),
}

ALLOWED = ""

# A column is a command, a row is a state, and a cell is the code of the refusal.
_COMMANDS: tuple[type[Command], ...] = (PayOrder, ShipOrder, ConfirmReceipt, CancelOrder, SetShippingAddress)
_CELLS: Mapping[Status, tuple[str, str, str, str, str]] = {
    Status.AWAITING_PAYMENT: (ALLOWED, "funds_not_secured", "not_shipped", ALLOWED, ALLOWED),
    Status.PAYMENT_PENDING: ("payment_pending", "funds_not_secured", "not_shipped", ALLOWED, ALLOWED),
    Status.PAID: ("already_paid", "funds_not_secured", "not_shipped", ALLOWED, ALLOWED),
    Status.FUNDED: ("already_paid", ALLOWED, "not_shipped", ALLOWED, ALLOWED),
    **dict.fromkeys(
        (Status.SHIPPED, Status.DELIVERED),
        ("already_paid", "already_shipped", ALLOWED, "already_shipped", "already_shipped"),
    ),
    **dict.fromkeys(
        (Status.CANCELLING, Status.CANCELLED),
        ("order_cancelled", "order_cancelled", "order_cancelled", "order_cancelled", "order_cancelled"),
    ),
    **dict.fromkeys(
        (Status.REFUNDING, Status.RELEASED, Status.REFUNDED, Status.SETTLED, Status.CHARGED_BACK, Status.MIXED),
        ("order_closed", "order_closed", "order_closed", "order_closed", "order_closed"),
    ),
}
ADMITS: Mapping[type[Command], Mapping[Status, str]] = {
    command: {status: codes[column] for status, codes in _CELLS.items()} for column, command in enumerate(_COMMANDS)
}

REASONS: Mapping[str, str] = {
    "payment_pending": "a payment is under way; wait for its answer before paying again",
    "already_paid": "the order is paid; nothing more is due",
    "funds_not_secured": "the buyer's money is not secured yet; ship after FundsSecured",
    "not_shipped": "the order has not been shipped; confirm receipt once the goods are here",
    "already_shipped": "the parcel was handed over; after that only a dispute changes the order",
    "order_cancelled": "the order was cancelled; place a new one",
    "order_closed": "the money of the order is refunded, being refunded or at rest; nothing is open any more",
}


def admit(order: Order, command: Command) -> None:
    """Passes, or raises `Refused`: not_found for strangers, forbidden for the wrong role, else the state's own code."""
    actor, asked = command.actor, type(command)
    if not takes_part(order, actor.role, actor.id):
        raise not_found()
    if actor.role not in PERMITTED[asked]:
        raise Refused("forbidden", f"the role {actor.role} may not do this")
    code = ADMITS[asked][order.status]
    if code != ALLOWED:
        raise Refused(code, REASONS[code])


def takes_part(order: Order, role: Role, id: str) -> bool:
    """Whether the order exists for this actor: buyers and sellers know their own orders only, staff knows all."""
    if role is Role.BUYER:
        return id == order.buyer_id
    return role is not Role.SELLER or id == order.seller_id


def not_found() -> Refused:
    """The same words whether the order does not exist or is somebody else's."""
    return Refused("not_found", "there is no such order; check the order id")
