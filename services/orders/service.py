"""The orders service, whole: its aggregates and where each message goes."""

from contracts.carrier import ParcelDelivered, ParcelLost, ParcelProgressed, ParcelReturned
from contracts.deposits import DepositActivated, DepositSuspended
from contracts.escrow import (
    FundsSecured,
    LinesRested,
    OperatorNeeded,
    OrderUnderReview,
    ReceiptReminderDue,
    RefundStarted,
)
from contracts.identity import AccountOpened
from contracts.orders import (
    CancelOrder,
    CommandRefused,
    ConfirmReceipt,
    PayOrder,
    PlaceOrder,
    RequestQuote,
    ReturnPayment,
    ShipOrder,
)
from contracts.payments import (
    RETURNS,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    Purpose,
    RefundFailed,
    RefundSucceeded,
)
from orders.address import SetShippingAddress
from orders.domain import decide
from orders.order import Order
from orders.quotes import Issued, decide_quote
from orders.registers import Person, Seller, decide_person, decide_seller
from orders.repository import Addresses
from runtime.decision import Aggregate, Column, Ref, Service, to


def _looked_at(command: PlaceOrder) -> tuple[Ref, ...]:
    parties = Ref("sellers", command.seller_id), Ref("people", command.buyer_id)
    return (*parties, Ref("quotes", command.quote_id)) if command.quote_id else parties


def _asker(command: RequestQuote) -> tuple[Ref, ...]:
    return (Ref("people", command.buyer_id),)


def _paid_order(event: PaymentSucceeded | PaymentDeclined) -> str | None:
    return event.reference if event.purpose is Purpose.ORDER else None


def _queried_order(event: OperationNotFound) -> str | None:
    return event.reference if event.operation_id.startswith(("pay-", RETURNS)) else None


def _returned_to(event: RefundSucceeded | RefundFailed) -> str | None:
    return event.reference if event.operation_id.startswith(RETURNS) else None


SERVICE = Service(
    name="orders",
    aggregates=(
        Aggregate(
            "orders",
            Order,
            decide,
            columns={
                "buyer_id": Column("text", lambda order: order.buyer_id),
                "seller_id": Column("text", lambda order: order.seller_id),
                "status": Column("text", lambda order: order.status),
            },
        ),
        Aggregate("sellers", Seller, decide_seller),
        Aggregate("people", Person, decide_person),
        Aggregate("quotes", Issued, decide_quote),
    ),
    routes={
        RequestQuote: to("quotes", "quote_id", _asker),
        PlaceOrder: to("orders", "order_id", _looked_at),
        PayOrder: to("orders", "order_id"),
        PaymentSucceeded: to("orders", _paid_order),
        PaymentDeclined: to("orders", _paid_order),
        OperationNotFound: to("orders", _queried_order),
        RefundSucceeded: to("orders", _returned_to),
        RefundFailed: to("orders", _returned_to),
        ReturnPayment: to("orders", "order_id"),
        SetShippingAddress: to("orders", "order_id"),
        OrderUnderReview: to("orders", "order_id"),
        FundsSecured: to("orders", "order_id"),
        ShipOrder: to("orders", "order_id"),
        ParcelProgressed: to("orders", "reference"),
        ParcelDelivered: to("orders", "reference"),
        ParcelLost: to("orders", "reference"),
        ParcelReturned: to("orders", "reference"),
        ReceiptReminderDue: to("orders", "order_id"),
        ConfirmReceipt: to("orders", "order_id"),
        CancelOrder: to("orders", "order_id"),
        RefundStarted: to("orders", "order_id"),
        LinesRested: to("orders", "order_id"),
        OperatorNeeded: to("orders", "order_id"),
        DepositActivated: to("sellers", "seller_id"),
        DepositSuspended: to("sellers", "seller_id"),
        AccountOpened: to("people", "person_id"),
    },
    refusal=CommandRefused,
    postings=Addresses(),
)
