"""The orders service, whole: its aggregates and where each message goes."""

from contracts.carrier import ParcelDelivered
from contracts.deposits import DepositActivated, DepositSuspended
from contracts.escrow import FundsSecured, LinesRested, OrderUnderReview, RefundStarted
from contracts.identity import AccountOpened
from contracts.orders import CancelOrder, CommandRefused, ConfirmReceipt, PayOrder, PlaceOrder, ShipOrder
from contracts.payments import OperationNotFound, PaymentDeclined, PaymentSucceeded, Purpose
from orders.domain import decide
from orders.order import Order
from orders.registers import Person, Seller, decide_person, decide_seller
from runtime.decision import Aggregate, Column, Ref, Service, to


def _parties(command: PlaceOrder) -> tuple[Ref, ...]:
    return Ref("sellers", command.seller_id), Ref("people", command.buyer_id)


def _paid_order(event: PaymentSucceeded | PaymentDeclined) -> str | None:
    return event.reference if event.purpose is Purpose.ORDER else None


def _queried_order(event: OperationNotFound) -> str | None:
    return event.reference if event.operation_id.startswith("pay-") else None


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
                "status": Column("text", lambda order: order.status.value),
            },
        ),
        Aggregate("sellers", Seller, decide_seller),
        Aggregate("people", Person, decide_person),
    ),
    routes={
        PlaceOrder: to("orders", "order_id", _parties),
        PayOrder: to("orders", "order_id"),
        PaymentSucceeded: to("orders", _paid_order),
        PaymentDeclined: to("orders", _paid_order),
        OperationNotFound: to("orders", _queried_order),
        OrderUnderReview: to("orders", "order_id"),
        FundsSecured: to("orders", "order_id"),
        ShipOrder: to("orders", "order_id"),
        ParcelDelivered: to("orders", "reference"),
        ConfirmReceipt: to("orders", "order_id"),
        CancelOrder: to("orders", "order_id"),
        RefundStarted: to("orders", "order_id"),
        LinesRested: to("orders", "order_id"),
        DepositActivated: to("sellers", "seller_id"),
        DepositSuspended: to("sellers", "seller_id"),
        AccountOpened: to("people", "person_id"),
    },
    refusal=CommandRefused,
)
