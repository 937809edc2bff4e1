"""What the services say to each other. A message goes to the topic of its class, keyed by what it is about; its class's
name is in the header `type`. Amounts are minor units."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel

TOPICS = (
    *("orders.commands", "orders.events", "escrow.events", "deposits.commands", "deposits.events"),
    *("disputes.commands", "disputes.events", "identity.commands", "identity.events"),
    *("payments.commands", "payments.events", "carrier.commands", "carrier.events"),
)


class Message(BaseModel):
    TOPIC: ClassVar[str]

    @property
    def key(self) -> str:
        raise NotImplementedError


class OrderMessage(Message):
    order_id: str

    @property
    def key(self) -> str:
        return self.order_id


class Money(BaseModel):
    amount: int
    currency: str


class Line(BaseModel):
    line_no: int
    sku: str
    category: str
    quantity: int
    unit_price: Money


class Actor(BaseModel):
    id: str
    role: str


# Orders


class PlaceOrder(OrderMessage):
    TOPIC = "orders.commands"
    actor: Actor
    buyer_id: str
    seller_id: str
    buyer_country: str
    seller_country: str
    lines: list[Line]


class PayOrder(OrderMessage):
    TOPIC = "orders.commands"
    actor: Actor
    method: str


class ShipOrder(OrderMessage):
    TOPIC = "orders.commands"
    actor: Actor
    carrier: str
    tracking_number: str


class ConfirmReceipt(OrderMessage):
    TOPIC = "orders.commands"
    actor: Actor


class OrderPlaced(OrderMessage):
    TOPIC = "orders.events"
    buyer_id: str
    seller_id: str
    lines: list[Line]
    pay_by: datetime


class OrderPaid(OrderMessage):
    TOPIC = "orders.events"
    buyer_id: str
    seller_id: str
    buyer_country: str
    seller_country: str
    lines: list[Line]
    amount: Money
    paid_at: datetime


class OrderShipped(OrderMessage):
    TOPIC = "orders.events"
    seller_id: str
    carrier: str
    tracking_number: str
    shipped_at: datetime


class OrderDelivered(OrderMessage):
    TOPIC = "orders.events"
    tracking_number: str
    delivered_at: datetime


class ReceiptConfirmed(OrderMessage):
    TOPIC = "orders.events"
    confirmed_at: datetime


class ShipmentRefused(OrderMessage):
    """The answer to a `ShipOrder` that came before the money was known to be secured."""

    TOPIC = "orders.events"
    code: str
    reason: str


# Escrow


class FundsHeld(OrderMessage):
    TOPIC = "escrow.events"
    buyer_id: str
    seller_id: str
    amount: Money


class FundsSecured(OrderMessage):
    TOPIC = "escrow.events"
    seller_id: str
    ship_by: datetime


class FundsReleased(OrderMessage):
    TOPIC = "escrow.events"
    seller_id: str
    amount: Money
    why: str


class RefundStarted(OrderMessage):
    TOPIC = "escrow.events"
    buyer_id: str
    amount: Money
    why: str


class OrderRested(OrderMessage):
    """All money of an order is where it belongs: its last event."""

    TOPIC = "escrow.events"
    outcome: str


# Identity, deposits


class ScreenOrder(OrderMessage):
    TOPIC = "identity.commands"
    buyer_id: str
    amount: Money
    buyer_country: str
    seller_country: str

    @property
    def key(self) -> str:
        return self.buyer_id


class OrderCleared(OrderMessage):
    TOPIC = "identity.events"
    buyer_id: str
    score: int


class SellerMessage(Message):
    seller_id: str

    @property
    def key(self) -> str:
        return self.seller_id


class OpenDeposit(SellerMessage):
    TOPIC = "deposits.commands"
    amount: Money


class DepositActivated(SellerMessage):
    TOPIC = "deposits.events"
    balance: Money


# Disputes


class DisputeMessage(Message):
    dispute_id: str
    order_id: str

    @property
    def key(self) -> str:
        return self.dispute_id


class OpenDispute(DisputeMessage):
    TOPIC = "disputes.commands"
    actor: Actor
    reason: str


class RuleDispute(DisputeMessage):
    TOPIC = "disputes.commands"
    actor: Actor
    buyer_basis_points: int


class DisputeOpened(DisputeMessage):
    TOPIC = "disputes.events"
    buyer_id: str
    seller_id: str
    reason: str
    rule_by: datetime


class DisputeResolved(DisputeMessage):
    TOPIC = "disputes.events"
    buyer_basis_points: int


class DisputeRefused(DisputeMessage):
    """The answer to an `OpenDispute` of an order that is not known yet to be paid."""

    TOPIC = "disputes.events"
    code: str
    reason: str


# Payment provider and carrier


class Operation(OrderMessage):
    operation_id: str
    amount: Money


class CollectPayment(Operation):
    TOPIC = "payments.commands"
    method: str


class RefundPayment(Operation):
    TOPIC = "payments.commands"


class PayOut(Operation):
    TOPIC = "payments.commands"
    seller_id: str


class PaymentSucceeded(Operation):
    TOPIC = "payments.events"


class RefundSucceeded(Operation):
    TOPIC = "payments.events"


class PayoutSucceeded(Operation):
    TOPIC = "payments.events"


class TrackParcel(OrderMessage):
    TOPIC = "carrier.commands"
    carrier: str
    tracking_number: str


class ParcelDelivered(OrderMessage):
    TOPIC = "carrier.events"
    tracking_number: str
    delivered_at: datetime
