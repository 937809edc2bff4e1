"""What becomes of an order: every command, event and deadline, and who decides it. Pure.

Orders owns the payment in, the parcel and the confirmation. The money is escrow's.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from contracts.carrier import ParcelDelivered, ParcelLost, ParcelProgressed, ParcelReturned
from contracts.escrow import (
    FundsSecured,
    LinesRested,
    OperatorNeeded,
    OrderUnderReview,
    ReceiptReminderDue,
    RefundStarted,
)
from contracts.orders import CancelOrder, ConfirmReceipt, PayOrder, PlaceOrder, ReturnPayment, ShipOrder
from contracts.payments import (
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    RefundFailed,
    RefundSucceeded,
    returned_payment,
)
from orders.address import SetShippingAddress
from orders.addresses import set_address
from orders.cancellation import cancel
from orders.checkout import place
from orders.deadlines import time_up
from orders.order import Order
from orders.parcel import confirm, delivered, ship
from orders.payment import pay, payment_declined, payment_not_found, payment_succeeded
from orders.rules import not_found
from orders.settlement import (
    funds_secured,
    lines_rested,
    operator_needed,
    receipt_reminded,
    refund_started,
    under_review,
)
from orders.surplus import not_returned, return_not_found, return_once_more, returned
from orders.tracking import came_back, lost, progressed
from runtime.decision import Look, Outcome, TimeUp


def operation_not_found(order: Order, event: OperationNotFound, now: datetime) -> Outcome[Order]:
    """The provider never saw a payment, or a refund of ours."""
    ours = returned_payment(event.operation_id) is not None
    return (return_not_found if ours else payment_not_found)(order, event, now)


DECISIONS: Final[Mapping[type, Callable[[Order, Any, datetime], Outcome[Order]]]] = {
    PayOrder: pay,
    PaymentSucceeded: payment_succeeded,
    PaymentDeclined: payment_declined,
    OperationNotFound: operation_not_found,
    RefundSucceeded: returned,
    RefundFailed: not_returned,
    ReturnPayment: return_once_more,
    TimeUp: time_up,
    CancelOrder: cancel,
    SetShippingAddress: set_address,
    ShipOrder: ship,
    ParcelProgressed: progressed,
    ParcelDelivered: delivered,
    ParcelLost: lost,
    ParcelReturned: came_back,
    ConfirmReceipt: confirm,
    OrderUnderReview: under_review,
    FundsSecured: funds_secured,
    ReceiptReminderDue: receipt_reminded,
    RefundStarted: refund_started,
    LinesRested: lines_rested,
    OperatorNeeded: operator_needed,
}


def decide(order: Order | None, message: Any, now: datetime, look: Look) -> Outcome[Order]:
    """The one decision of the aggregate `orders`."""
    if type(message) is PlaceOrder:
        return place(order, message, now, look)
    if order is None:
        raise not_found()
    return DECISIONS[type(message)](order, message, now)
