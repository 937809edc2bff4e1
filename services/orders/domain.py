"""What becomes of an order: every command, event and deadline, and who decides it. Pure.

Orders owns the payment in, the parcel and the confirmation. The money is escrow's.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from contracts.carrier import ParcelDelivered
from contracts.escrow import FundsSecured, LinesRested, OrderUnderReview, RefundStarted
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, PlaceOrder, ShipOrder
from contracts.payments import OperationNotFound, PaymentDeclined, PaymentSucceeded
from orders.cancellation import cancel, time_up
from orders.checkout import place
from orders.order import Order
from orders.parcel import confirm, delivered, ship
from orders.payment import operation_not_found, pay, payment_declined, payment_succeeded
from orders.rules import not_found
from orders.settlement import funds_secured, lines_rested, refund_started, under_review
from runtime.decision import Look, Outcome, TimeUp

DECISIONS: Final[Mapping[type, Callable[[Order, Any, datetime], Outcome[Order]]]] = {
    PayOrder: pay,
    PaymentSucceeded: payment_succeeded,
    PaymentDeclined: payment_declined,
    OperationNotFound: operation_not_found,
    TimeUp: time_up,
    CancelOrder: cancel,
    ShipOrder: ship,
    ParcelDelivered: delivered,
    ConfirmReceipt: confirm,
    OrderUnderReview: under_review,
    FundsSecured: funds_secured,
    RefundStarted: refund_started,
    LinesRested: lines_rested,
}


def decide(order: Order | None, message: Any, now: datetime, look: Look) -> Outcome[Order]:
    """The one decision of the aggregate `orders`."""
    if isinstance(message, PlaceOrder):
        return place(order, message, now, look)
    if order is None:
        raise not_found()
    return DECISIONS[type(message)](order, message, now)
