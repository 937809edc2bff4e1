"""Every message has an example, and the examples tell one story whose sums are right."""

from types import UnionType
from typing import Union, get_args, get_origin

import pytest

from contracts import escrow, orders, payments
from contracts.examples import EXAMPLES
from contracts.message import Message
from contracts.money import Money, share
from contracts.registry import REGISTRY
from contracts.snapshots import value_of


def test_no_message_is_without_an_example() -> None:
    assert EXAMPLES.keys() == REGISTRY.keys()
    assert {name: type(example) for name, example in EXAMPLES.items()} == dict(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_an_example_is_read_back_as_it_was(name: str) -> None:
    assert REGISTRY[name].model_validate_json(value_of(EXAMPLES[name])) == EXAMPLES[name]


@pytest.mark.parametrize("name", REGISTRY)
def test_absent_and_null_mean_the_same(name: str) -> None:
    """Nulls are not written, so a field that may be None must be None when it is missing."""
    for model in _models(REGISTRY[name]):
        for field_name, field in model.model_fields.items():
            if get_origin(field.annotation) in (Union, UnionType) and type(None) in get_args(field.annotation):
                assert not field.is_required(), f"{model.__name__}.{field_name} may be None but must be given"
                assert field.default is None, f"{model.__name__}.{field_name} is not None when it is missing"


def test_the_money_of_the_story_adds_up() -> None:
    held = EXAMPLES["escrow.funds_held.v1"]
    paid = EXAMPLES["payments.payment_succeeded.v1"]
    released = EXAMPLES["escrow.funds_released.v1"]
    refunded = EXAMPLES["escrow.refund_started.v1"]
    ruled = EXAMPLES["disputes.dispute_resolved.v1"]
    placed = EXAMPLES["orders.place_order.v1"]
    assert isinstance(held, escrow.FundsHeld)
    assert isinstance(paid, payments.PaymentSucceeded)
    assert isinstance(placed, orders.PlaceOrder)

    cooker, cups = held.lines
    assert [line.unit_price.amount * line.quantity for line in placed.lines] == [cooker.price.amount, cups.price.amount]
    assert cooker.presented + cups.presented == paid.amount
    assert released.lines[0].net + released.lines[0].fee == cooker.price
    to_buyer = share(cups.presented.amount, ruled.rulings[0].buyer_basis_points)
    assert refunded.lines[0].amount == Money(amount=to_buyer, currency="EUR")


def _models(model: type[Message]) -> list[type[Message]]:
    """A message's class and the classes of all parts inside it."""
    found, open_ = [], [model]
    while open_:
        one = open_.pop()
        if hasattr(one, "model_fields"):
            if one not in found:
                found.append(one)
                open_ += [field.annotation for field in one.model_fields.values()]
        else:
            open_ += get_args(one)
    return found
