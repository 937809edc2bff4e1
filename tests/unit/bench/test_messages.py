"""What the load sends is what the contracts say, byte for byte readable by the services."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bench import messages
from bench.plan import CURRENCY, Mix, order
from contracts import carrier, deposits, disputes, identity, orders, payments
from contracts.envelope import encode, parse
from contracts.message import Message

ORDER = order(Mix(), "ord-1", 42)
KEY = ORDER.order_id.encode()
BUYER, SELLER = ORDER.buyer_id.encode(), ORDER.seller_id.encode()


@pytest.mark.parametrize(
    ("value", "type", "key"),
    [
        (messages.place_order(ORDER), orders.PlaceOrder, ORDER.order_id),
        (messages.pay_order(BUYER, KEY), orders.PayOrder, ORDER.order_id),
        (messages.ship_order(SELLER, KEY), orders.ShipOrder, ORDER.order_id),
        (messages.confirm_receipt(BUYER, KEY), orders.ConfirmReceipt, ORDER.order_id),
        (messages.open_dispute(BUYER, b"ord-1-d00000042", KEY), disputes.OpenDispute, "ord-1-d00000042"),
        (messages.rule_dispute(b"ord-1-d00000042"), disputes.RuleDispute, "ord-1-d00000042"),
        (messages.parcel_delivered(KEY, b"2026-01-01T00:00:00Z"), carrier.ParcelDelivered, ORDER.order_id),
        (messages.open_account(ORDER.buyer_id), identity.OpenAccount, ORDER.buyer_id),
        (messages.open_deposit(ORDER.seller_id), deposits.OpenDeposit, ORDER.seller_id),
        (messages.pay_deposit(SELLER), deposits.PayDeposit, ORDER.seller_id),
    ],
)
def test_every_message_is_one_of_the_contracts(value: bytes, type: type[Message], key: str) -> None:
    assert parse(value, type).key == key


def test_an_order_is_placed_as_it_was_planned() -> None:
    placed = parse(messages.place_order(ORDER), orders.PlaceOrder)

    (line,) = placed.lines
    assert (placed.buyer_id, placed.seller_id) == (ORDER.buyer_id, ORDER.seller_id)
    assert line.quantity * line.unit_price.amount == ORDER.amount
    assert line.unit_price.currency == CURRENCY


@pytest.mark.parametrize(
    ("asked", "result"),
    [
        (
            payments.CollectPayment(
                actor={"id": "orders", "role": "service"}, operation_id="pay-1", reference="ord-1", purpose="order",
                amount={"amount": 5, "currency": "EUR"}, method="credit_card",
            ),
            payments.PaymentSucceeded,
        ),
        (
            payments.RefundPayment(
                actor={"id": "escrow", "role": "service"}, operation_id="refund-1", reference="ord-1",
                amount={"amount": 5, "currency": "EUR"},
            ),
            payments.RefundSucceeded,
        ),
        (
            payments.PayOut(
                actor={"id": "escrow", "role": "service"}, operation_id="payout-1", reference="ord-1",
                seller_id="seller-1", amount={"amount": 5, "currency": "EUR"},
            ),
            payments.PayoutSucceeded,
        ),
    ],
)  # fmt: skip
def test_the_provider_answers_with_the_operation_and_amount_it_was_asked_for(asked: Any, result: type[Any]) -> None:
    answer = parse(messages.provider_result(_value(asked)), result)

    assert (answer.operation_id, answer.reference, answer.amount) == (
        asked.operation_id,
        asked.reference,
        asked.amount,
    )


def test_the_answer_to_a_message_always_has_the_same_id_which_is_not_that_of_the_message() -> None:
    id = messages.new_id()

    assert messages.answer_id(id) == messages.answer_id(id) != id
    assert UUID(messages.answer_id(id).decode()).version == 8


def _value(message: Message) -> bytes:
    return encode(
        message, id="1", source="test", time=datetime.now(UTC), correlation_id="", causation_id="", sequence=1
    )[3]
