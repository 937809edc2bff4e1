"""Orders: checkout, payment in, shipping, delivery, confirmation. Key of every message here: `order_id`, but for the
quotes that come before an order (`quote_id`)."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from contracts.message import Code, Command, Country, Event, Id, LineNo, Moment, Part, Refusal, Role
from contracts.money import Currency, MoneyError, Price


def _more_than_zero(rate: str) -> str:
    if not rate.strip("0."):
        raise MoneyError("zero_rate", "the rate must be more than zero")
    return rate


Quantity = Annotated[int, Field(strict=True, ge=1, le=100_000)]
TrackingNumber = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{4,40}$", description="as the carrier prints it")]

Rate = Annotated[
    str,
    Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$", description="decimal text, more than zero"),
    AfterValidator(_more_than_zero),
]


class PaymentMethod(StrEnum):
    """How the buyer pays. Cards and Alipay answer in seconds; bank transfer and Western Union in days."""

    CREDIT_CARD = "credit_card"
    DEBIT_CARD = "debit_card"
    VIRTUAL_CARD = "virtual_card"
    ALIPAY = "alipay"
    BANK_TRANSFER = "bank_transfer"
    WESTERN_UNION = "western_union"


class CancelReason(StrEnum):
    """Why an order is cancelled; it decides whose fault is recorded."""

    CHANGED_MIND = "changed_mind"
    SELLER_ASKED = "seller_asked"
    OUT_OF_STOCK = "out_of_stock"
    NOT_PAID = "not_paid"


class Fault(StrEnum):
    """Against whom a cancellation or a late shipment counts."""

    BUYER = "buyer"
    SELLER = "seller"
    NOBODY = "nobody"


class OrderLine(Part):
    """What is bought: `quantity` pieces at `unit_price` each, in the seller's listing currency."""

    line_no: LineNo
    sku: Id
    category: Code
    quantity: Quantity
    unit_price: Price


class Quote(Part):
    """An exchange rate locked at checkout. `rate` is presentment major units for one settlement major unit."""

    quote_id: Id
    presentment: Currency
    settlement: Currency
    rate: Rate
    expires_at: Moment


class HeldLine(Part):
    """One order line as money: what the seller is owed for it and what the buyer really paid for it.

    Both are equal when buyer and seller use one currency. A refund gives back `presented`, to the minor unit.
    """

    line_no: LineNo
    category: Code
    price: Price
    presented: Price


Lines = Annotated[tuple[OrderLine, ...], Field(min_length=1, max_length=100)]
HeldLines = Annotated[tuple[HeldLine, ...], Field(min_length=1, max_length=100)]
SomeLines = Annotated[tuple[LineNo, ...], Field(max_length=100, description="line numbers; empty means all")]


class RequestQuote(Command, key="quote_id"):
    """Locks an exchange rate for one buyer for a while (E3). Answered by `QuoteIssued`; over HTTP by the quote itself.
    Asked again with the same `quote_id` and currencies, the same quote stands."""

    quote_id: Id
    buyer_id: Id
    presentment: Currency
    settlement: Currency


class PlaceOrder(Command, key="order_id"):
    """A buyer checks out. Refused without an active deposit of the seller or an account of the buyer. All lines are
    priced in one currency; with a quote the buyer pays in its `presentment`. A buyer names an issued one by `quote_id`;
    a whole `quote` is taken only from services and support, who answer for its rate."""

    order_id: Id
    buyer_id: Id
    seller_id: Id
    buyer_country: Country
    seller_country: Country
    lines: Lines
    quote: Quote | None = None
    quote_id: Id | None = None


class PayOrder(Command, key="order_id"):
    """The buyer pays the whole order by one method. The answer comes later as `OrderPaid` or `OrderPaymentDeclined`."""

    order_id: Id
    method: PaymentMethod


class ShipOrder(Command, key="order_id"):
    """The seller hands the parcel to a carrier. Refused (`funds_not_secured`) before the money is secured (E4)."""

    order_id: Id
    carrier: Code
    tracking_number: TrackingNumber


class ConfirmReceipt(Command, key="order_id"):
    """The buyer has inspected the goods and is content: the named lines are paid to the seller at once (E7)."""

    order_id: Id
    lines: SomeLines = ()


class CancelOrder(Command, key="order_id"):
    """Buyer or seller cancels before shipping (E11). A buyer who cancels because the seller asked says so (E12)."""

    order_id: Id
    reason: CancelReason


class ReturnPayment(Command, key="order_id"):
    """An operator has money that did not pay the order sent back once more, after `PaymentReturnStopped`."""

    order_id: Id
    operation_id: Id


class QuoteIssued(Event, key="quote_id"):
    """This rate stands for this buyer until `expires_at`."""

    quote_id: Id
    buyer_id: Id
    presentment: Currency
    settlement: Currency
    rate: Rate
    expires_at: Moment


class OrderPlaced(Event, key="order_id"):
    """An order was accepted and waits for payment until `pay_by`. For whoever shows orders to people."""

    order_id: Id
    buyer_id: Id
    seller_id: Id
    buyer_country: Country
    seller_country: Country
    lines: HeldLines
    pay_by: Moment


class OrderPaymentDeclined(Event, key="order_id"):
    """The provider declined the payment; the buyer may try again until the payment deadline (E2)."""

    order_id: Id
    method: PaymentMethod
    reason: Code


class PaymentReminderDue(Event, key="order_id"):
    """The order is not paid yet; after `pay_by` it is cancelled."""

    order_id: Id
    buyer_id: Id
    pay_by: Moment


class NotTaken(StrEnum):
    """Why money does not pay its order: less than was due, paid already, or more than was asked for or in another
    currency, which contradicts what the provider was asked to collect."""

    TOO_LITTLE = "too_little"
    PAID_TWICE = "paid_twice"
    NOT_AS_ASKED = "not_as_asked"


class PaymentNotTaken(Event, key="order_id"):
    """Money arrived that does not pay the order: all of it goes back to the buyer, and an unpaid order waits for its
    payment as before. What is not as asked is not believed: an operator looks before anything is sent back."""

    order_id: Id
    buyer_id: Id
    operation_id: Id
    received: Price
    due: Price
    why: NotTaken


class PaymentReturned(Event, key="order_id"):
    """The buyer has the money back that did not pay the order. `operation_id` is the payment's."""

    order_id: Id
    buyer_id: Id
    operation_id: Id
    amount: Price


class PaymentReturnStopped(Event, key="order_id"):
    """Money that did not pay the order could not be given back, as often as it was tried: an operator has to look."""

    order_id: Id
    operation_id: Id
    amount: Price
    reason: Code


class OrderPaid(Event, key="order_id"):
    """The provider has the buyer's money. Escrow holds it, line by line (E1)."""

    order_id: Id
    buyer_id: Id
    seller_id: Id
    buyer_country: Country
    seller_country: Country
    method: PaymentMethod
    lines: HeldLines
    paid_at: Moment


class LatePaymentReceived(Event, key="order_id"):
    """Money arrived for an order that was already cancelled. Escrow holds it and gives it back."""

    order_id: Id
    buyer_id: Id
    seller_id: Id
    buyer_country: Country
    seller_country: Country
    method: PaymentMethod
    lines: HeldLines
    paid_at: Moment


class OrderShipped(Event, key="order_id"):
    """The seller handed the parcel over. Starts the delivery deadline in escrow."""

    order_id: Id
    seller_id: Id
    carrier: Code
    tracking_number: TrackingNumber
    shipped_at: Moment


class OrderDelivered(Event, key="order_id"):
    """The carrier delivered the parcel. Starts the inspection period in escrow (E8, E9)."""

    order_id: Id
    tracking_number: TrackingNumber
    delivered_at: Moment


class Undelivered(StrEnum):
    """What the carrier says of a parcel that does not arrive."""

    LOST = "lost"
    RETURNED = "returned"


class OrderUndelivered(Event, key="order_id"):
    """The carrier lost the parcel or brought it back to the seller. Brought back, it is refunded at once. Lost, it may
    turn up: the money stays held, the buyer may open a case, and is refunded at the delivery deadline."""

    order_id: Id
    tracking_number: TrackingNumber
    why: Undelivered
    at: Moment


class ReceiptConfirmed(Event, key="order_id"):
    """The buyer confirmed receipt of the named lines (empty: all). Escrow releases them."""

    order_id: Id
    lines: SomeLines
    confirmed_at: Moment


class OrderCancelled(Event, key="order_id"):
    """The order was cancelled before shipping. Where `paid`, escrow refunds it; `fault` counts against that party."""

    order_id: Id
    cancelled_by: Role
    reason: CancelReason
    fault: Fault
    paid: bool


class CommandRefused(Refusal, key="subject"):
    """A command to orders that came by Kafka was refused."""
