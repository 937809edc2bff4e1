"""Given/when/then for orders: messages go through the service's own routes and the batch fold, states through JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from contracts.carrier import ParcelDelivered, ParcelLost, ParcelProgressed, ParcelReturned, Stage
from contracts.deposits import DepositActivated
from contracts.escrow import (
    FundsSecured,
    LinesRested,
    OperatorNeeded,
    OrderUnderReview,
    ReceiptReminderDue,
    RefundedLine,
    RefundStarted,
    Why,
)
from contracts.escrow import Outcome as LineOutcome
from contracts.identity import AccountOpened
from contracts.message import Actor, Message, Role
from contracts.money import Money
from contracts.orders import (
    CancelOrder,
    CancelReason,
    ConfirmReceipt,
    Fault,
    OrderLine,
    PaymentMethod,
    PayOrder,
    PlaceOrder,
    Quote,
    RequestQuote,
    ShipOrder,
)
from contracts.payments import PaymentDeclined, PaymentSucceeded, Purpose
from orders.address import Address, SetShippingAddress
from orders.order import Order, Status
from orders.service import SERVICE
from runtime.decision import Ref, TimeUp
from runtime.fold import Done, Failed, Item, Refusal, Result, Versioned, fold

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
BUYER = Actor(id="buyer-1", role=Role.BUYER)
SELLER = Actor(id="seller-1", role=Role.SELLER)
SUPPORT = Actor(id="agent-1", role=Role.SUPPORT)
PRICE = 5_000
"""Minor units of each of the two lines of the usual order."""
HOME = Address(name="Ada Keller", line_1="Rue du Canal 7", city="Lyon", postcode="69002", country="FR", phone="0478")


def days(count: float) -> timedelta:
    return timedelta(days=count)


@dataclass
class Then:
    """What came of the last message."""

    result: Result
    messages: Sequence[Any]
    timers: Mapping[str, datetime | None]
    postings: Sequence[Any] = ()

    @property
    def code(self) -> str:
        assert isinstance(self.result, Refusal), self.result
        return self.result.code

    @property
    def note(self) -> str:
        assert isinstance(self.result, Done), self.result
        return self.result.note

    @property
    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.messages]


@dataclass
class World:
    """All aggregates of the service, and the time."""

    now: datetime = START
    states: dict[Ref, Versioned] = field(default_factory=dict)

    def when(self, message: Message | TimeUp, order_id: str = "order-1") -> Then:
        ref, reads = Ref("orders", order_id), tuple[Ref, ...]()
        if isinstance(message, Message):
            route = SERVICE.routes[type(message)]
            key = route.key(message)
            assert key is not None, "not routed"
            ref, reads = Ref(route.aggregate, key), tuple(route.reads(message))
        loaded = {known: self.states[known] for known in (ref, *reads) if known in self.states}
        folded = fold(SERVICE, [Item("cause", ref, message, "case", reads)], loaded, self.now)
        (result,) = folded.results
        assert not isinstance(result, Failed), result
        for changed, versioned in folded.states.items():
            again = msgspec.json.decode(msgspec.json.encode(versioned.state), type=type(versioned.state))
            assert again == versioned.state
            self.states[changed] = Versioned(again, versioned.version)
        timers = {name: due for (_, name), due in folded.timers.items()}
        postings = [posting for _, posting in folded.postings]
        return Then(result, [produced.message for produced in folded.produced], timers, postings)

    def after(self, *messages: Message | TimeUp) -> "World":
        """The same world once these messages were taken; each must be accepted."""
        for message in messages:
            result = self.when(message).result
            assert isinstance(result, Done), result
        return self

    def later(self, period: timedelta) -> "World":
        self.now += period
        return self

    @property
    def order(self) -> Order:
        state = self.states[Ref("orders", "order-1")].state
        assert isinstance(state, Order)
        return state


def given(*messages: Message | TimeUp) -> World:
    """A marketplace with one seller who may sell and one buyer, after these messages."""
    return World().after(deposit_activated(), AccountOpened(person_id="buyer-1", country="FR"), *messages)


def deposit_activated(seller_id: str = "seller-1") -> DepositActivated:
    return DepositActivated(seller_id=seller_id, balance=eur(800_000))


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def line(line_no: int = 1, unit_price: Money | None = None, quantity: int = 1) -> OrderLine:
    return OrderLine(
        line_no=line_no,
        sku=f"sku-{line_no}",
        category="clothing",
        quantity=quantity,
        unit_price=unit_price or eur(PRICE),
    )


def quote(**changes: Any) -> Quote:
    usual = {
        "quote_id": "quote-1",
        "presentment": "USD",
        "settlement": "EUR",
        "rate": "1.25",
        "expires_at": START + days(1),
    }
    return Quote(**(usual | changes))


def place(**changes: Any) -> PlaceOrder:
    usual = {
        "actor": SUPPORT if changes.get("quote") else BUYER,
        "order_id": "order-1",
        "buyer_id": "buyer-1",
        "seller_id": "seller-1",
        "buyer_country": "FR",
        "seller_country": "CN",
        "lines": (line(1), line(2)),
    }
    return PlaceOrder(**(usual | changes))


def pay(method: PaymentMethod = PaymentMethod.CREDIT_CARD, actor: Actor = BUYER) -> PayOrder:
    return PayOrder(actor=actor, order_id="order-1", method=method)


def succeeded(attempt: int = 1, amount: Money | None = None) -> PaymentSucceeded:
    return PaymentSucceeded(
        operation_id=f"pay-order-1-{attempt}",
        reference="order-1",
        purpose=Purpose.ORDER,
        amount=amount or eur(2 * PRICE),
        method=PaymentMethod.CREDIT_CARD,
    )


def declined(attempt: int = 1) -> PaymentDeclined:
    return PaymentDeclined(
        operation_id=f"pay-order-1-{attempt}",
        reference="order-1",
        purpose=Purpose.ORDER,
        method=PaymentMethod.CREDIT_CARD,
        reason="insufficient_funds",
    )


def review() -> OrderUnderReview:
    return OrderUnderReview(order_id="order-1", until=START + days(5))


def secured() -> FundsSecured:
    return FundsSecured(order_id="order-1", seller_id="seller-1", ship_by=START + days(10))


def ship(actor: Actor = SELLER) -> ShipOrder:
    return ShipOrder(actor=actor, order_id="order-1", carrier="cainiao", tracking_number="LP0001")


def parcel(tracking_number: str = "LP0001") -> ParcelDelivered:
    return ParcelDelivered(reference="order-1", tracking_number=tracking_number, delivered_at=START + days(9))


def confirm(*lines: int, actor: Actor = BUYER) -> ConfirmReceipt:
    return ConfirmReceipt(actor=actor, order_id="order-1", lines=lines)


def cancel(actor: Actor = BUYER, reason: CancelReason = CancelReason.CHANGED_MIND) -> CancelOrder:
    return CancelOrder(actor=actor, order_id="order-1", reason=reason)


def refund(*lines: int, why: Why = Why.CANCELLED) -> RefundStarted:
    refunded = tuple(RefundedLine(line_no=number, amount=eur(PRICE)) for number in lines or (1, 2))
    return RefundStarted(order_id="order-1", buyer_id="buyer-1", lines=refunded, why=why, fault=Fault.BUYER)


def rested(*lines: int, outcome: LineOutcome = LineOutcome.RELEASED, at_rest: bool = True) -> LinesRested:
    return LinesRested(order_id="order-1", lines=lines or (1, 2), outcome=outcome, order_at_rest=at_rest)


def tracked(stage: Stage, day: float, expected: float | None = None, number: str = "LP0001") -> ParcelProgressed:
    """The carrier's word of a stage reached so many days after the start, with the day it expects to arrive."""
    expected_at = None if expected is None else START + days(expected)
    return ParcelProgressed(
        reference="order-1", tracking_number=number, stage=stage, at=START + days(day), expected_at=expected_at
    )


def parcel_lost(number: str = "LP0001") -> ParcelLost:
    return ParcelLost(reference="order-1", tracking_number=number, lost_at=START + days(8))


def parcel_returned(number: str = "LP0001") -> ParcelReturned:
    return ParcelReturned(reference="order-1", tracking_number=number, returned_at=START + days(12))


def receipt_reminder(day: float = 19) -> ReceiptReminderDue:
    return ReceiptReminderDue(order_id="order-1", buyer_id="buyer-1", confirm_by=START + days(day))


def operator_needed(*lines: int, code: str = "operation_failed") -> OperatorNeeded:
    return OperatorNeeded(order_id="order-1", lines=lines or (1,), operation_id="refund-order-1-1-5", code=code)


def send_home(actor: Actor = BUYER, address: Address = HOME) -> SetShippingAddress:
    return SetShippingAddress(actor=actor, order_id="order-1", address=address)


def ask_quote(quote_id: str = "quote-7", actor: Actor = BUYER, **changes: Any) -> RequestQuote:
    usual = {"buyer_id": "buyer-1", "presentment": "USD", "settlement": "EUR"}
    return RequestQuote(actor=actor, quote_id=quote_id, **(usual | changes))


def pay_by(due_at: datetime) -> TimeUp:
    return TimeUp("pay_by", due_at)


def pay_deadline() -> TimeUp:
    return pay_by(START + days(3))


PAID = (place(), pay(), succeeded())
SHIPPED = (*PAID, secured(), ship())

TO_STATE: Mapping[Status, Iterable[Message]] = {
    Status.AWAITING_PAYMENT: (place(),),
    Status.PAYMENT_PENDING: (place(), pay()),
    Status.PAID: PAID,
    Status.FUNDED: (*PAID, secured()),
    Status.SHIPPED: SHIPPED,
    Status.DELIVERED: (*SHIPPED, parcel()),
    Status.CANCELLING: (*PAID, cancel()),
    Status.REFUNDING: (*PAID, cancel(), refund()),
    Status.CANCELLED: (place(), cancel()),
    Status.RELEASED: (*SHIPPED, parcel(), confirm(), rested()),
    Status.REFUNDED: (*PAID, cancel(), refund(), rested(outcome=LineOutcome.REFUNDED)),
    Status.SETTLED: (*SHIPPED, rested(outcome=LineOutcome.SETTLED)),
    Status.CHARGED_BACK: (*SHIPPED, rested(outcome=LineOutcome.CHARGED_BACK)),
    Status.MIXED: (
        *SHIPPED,
        rested(1, outcome=LineOutcome.REFUNDED, at_rest=False),
        rested(2, outcome=LineOutcome.RELEASED),
    ),
}
"""How an order gets into each of its states."""


def in_state(status: Status) -> World:
    world = given(*TO_STATE[status])
    assert world.order.status is status
    return world


def nothing_happens(world: World, message: Message | TimeUp) -> str:
    """Takes the message, checks that it had no effect at all, and returns its note or code."""
    before = dict(world.states)
    then = world.when(message)
    assert (world.states, then.messages, then.timers) == (before, [], {})
    return then.code if isinstance(then.result, Refusal) else then.note
