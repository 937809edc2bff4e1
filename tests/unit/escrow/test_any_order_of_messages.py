"""Whatever comes, in whatever order and however often: the money adds up after every step, and in the end it rests."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st

from contracts.deposits import DepositClaimed
from contracts.disputes import Verdict
from contracts.escrow import OperationResult, RecordOperationResult, RetryOperation
from contracts.message import Message
from contracts.money import Money
from contracts.payments import (
    OperationNotFound,
    PayoutFailed,
    PayoutSucceeded,
    QueryOperation,
    RefundFailed,
    RefundSucceeded,
)
from escrow.service import earliest
from escrow.state import PAID, RESTING, Operation, OperationKind, Standing, State, at_rest, withheld
from ledger.postings import Kind
from tests.unit.escrow.language import (
    ID,
    OPERATOR,
    T0,
    Bought,
    Story,
    brought_back,
    cancelled,
    charged_back,
    cleared,
    confirmed,
    days,
    delivered,
    disputed,
    given,
    given_back,
    hours,
    line,
    lost,
    nothing,
    order,
    paid,
    rejected,
    replacement_shipped,
    return_received,
    return_shipped,
    ruled,
    shipped,
    stopped,
    verified,
    withdrawn,
)

ORDERS = (
    order(),
    order(line(1, 10_000), line(2, 3_000), line(3, 1)),
    order(line(1, 10_000, 1_623, of="USD", paid_in="JPY"), line(2, 1, 1, of="USD", paid_in="JPY")),
    order(line(1, 7, 1_234_567, of="EUR", paid_in="KWD")),
)

SAYABLE: Sequence[Message] = (
    cleared(), cleared(), stopped(), verified(), rejected(), shipped(), shipped("letter_post"), delivered(),
    delivered("TRACK-2"), brought_back(), brought_back("TRACK-2"), lost(),
    confirmed(), confirmed(1), confirmed(2, at=T0 + days(90)), cancelled(),
    disputed(1), disputed(1, 2, case="d-2"), disputed(2, 3, 9, case="d-3"), withdrawn(1), withdrawn(1, 2, case="d-2"),
    ruled({1: Verdict.REFUND}), ruled({1: Verdict.RELEASE}), ruled({1: 3_333}), ruled({1: Verdict.RETURN}),
    ruled({1: Verdict.REPLACE}), ruled({1: Verdict.REFUND, 2: 5_001}, case="d-2"),
    ruled({1: Verdict.REPLACE, 2: Verdict.RETURN}, case="d-2"), ruled({2: 1, 3: 9_999}, case="d-3"),
    return_shipped(1), return_received(1), return_shipped(2, case="d-2"), return_received(2, case="d-2"),
    replacement_shipped(1), replacement_shipped(1, case="d-2"),
)  # fmt: skip

SPANS: Sequence[timedelta] = (hours(1), hours(13), days(1), days(3), days(10), days(31), days(76))

USUAL = (cleared(), shipped(), delivered())


class World:
    """A provider, a bank and a deposit around one order. An operation ends in one way; that may be told again."""

    def __init__(self, bought: Bought, story: Story) -> None:
        self.bought = bought
        self.story = story
        self.ends: dict[str, bool] = {}

    def step(self, kind: int, choice: int) -> None:
        operations = self.story.state.operations
        if kind < 5:
            self.story.when(SAYABLE[choice % len(SAYABLE)])
        elif kind < 7:
            self.story.when(SPANS[choice % len(SPANS)])
        elif kind == 7 and choice % 3 == 0:
            self.story.when(self.bank(choice))
        elif operations:
            self.answer(operations[choice % len(operations)], choice)

    def bank(self, choice: int) -> Message:
        amount, currency = self.bought.presented.amount, self.bought.presented.currency
        said, number = (charged_back, given_back)[choice % 2], choice % 7 // 3
        return said(max(1, amount // (1 + number // 2)), currency, f"cb-{number}")

    def answer(self, asked: Operation, choice: int) -> None:
        """What becomes of an operation; it may never have arrived, if nobody told of it yet and it was asked for."""
        sent = self.story.folding.sent
        queried = any(isinstance(each, QueryOperation) and each.operation_id == asked.id for each in sent)
        if asked.kind is not OperationKind.CLAIM and asked.id not in self.ends and queried and choice % 4 == 0:
            self.story.when(OperationNotFound(operation_id=asked.id, reference=ID))
            return
        self.story.when(self.result(asked, self.ends.setdefault(asked.id, choice % 3 != 0), choice))

    def result(self, asked: Operation, success: bool, choice: int = 0) -> Message:
        state = self.story.state
        currency = state.settlement if asked.kind is OperationKind.PAYOUT else state.presentment
        amount = Money(amount=asked.amount, currency=currency)
        about: Any = {"operation_id": asked.id, "reference": ID}
        match asked.kind, success:
            case OperationKind.CLAIM, _:
                paid_part = Money(amount=choice % (asked.amount + 1), currency=currency)
                return DepositClaimed(seller_id="s-1", claim_id=asked.id, order_id=ID, asked=amount, paid=paid_part)
            case OperationKind.PAYOUT, True:
                return PayoutSucceeded(**about, amount=amount)
            case OperationKind.PAYOUT, False:
                return PayoutFailed(**about, reason="no")
            case _, True:
                return RefundSucceeded(**about, amount=amount)
            case _:
                return RefundFailed(**about, reason="no")

    def come_to_rest(self) -> None:
        """From here on everything is answered and succeeds, and nobody says anything any more."""
        for _ in range(100):
            state = self.story.state
            if at_rest(state):
                return
            waiting = [each for each in state.operations if each.standing is Standing.SENT]
            stuck = [each for each in state.tranches if each.state is State.WITH_OPERATOR]
            if waiting:
                asked = waiting[0]
                self.story.when(self.result(asked, self.ends.setdefault(asked.id, True)))
            elif stuck:
                failed = next(each for each in state.operations if each.id in (stuck[0].payout_id, stuck[0].refund_id)
                              and each.standing is Standing.FAILED)  # fmt: skip
                names = {"actor": OPERATOR, "order_id": ID, "operation_id": failed.id}
                if withheld(state, failed):
                    self.story.when(RecordOperationResult(**names, result=OperationResult.BY_BANK))
                else:
                    self.story.when(RetryOperation(**names))
                assert self.story.refused is None
            else:
                due = earliest(state)[0]
                assert due is not None
                self.story.when(max(due - self.story.folding.now, timedelta(0)))
        raise AssertionError(f"never rests: {self.story.state}")


@settings(max_examples=400, deadline=None)
@for_all(
    bought=st.sampled_from(ORDERS),
    usual=st.integers(0, 3),
    steps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10_000)), max_size=40),
)
def test_whatever_comes_the_money_adds_up_and_rests(bought: Bought, usual: int, steps: list[tuple[int, int]]) -> None:
    world = World(bought, given(paid(bought), *USUAL[:usual]))
    for kind, choice in steps:
        world.step(kind, choice)
    world.come_to_rest()
    rested(world.story, bought)


def rested(story: Story, bought: Bought) -> None:
    """Nothing is on its way, every hold is empty, and nobody has more than there was without a claim."""
    state = story.state
    assert {each.state for each in state.tranches} <= set(RESTING)
    assert state.kept == ()
    assert story.book.pending() == {}
    assert story.balance(Kind.REFUND_TRANSIT, "provider", state.presentment) == 0
    assert story.balance(Kind.PAYOUT_TRANSIT, "provider", state.settlement) == 0
    assert story.balance(Kind.PAYABLE, "s-1", state.settlement) == 0
    refunded = sum(each.amount for each in state.operations
                   if each.kind is OperationKind.REFUND and each.standing in PAID)  # fmt: skip
    assert refunded == sum(each.to_buyer for each in state.tranches if each.refund_id is not None)
    assert refunded <= bought.presented.amount
    paid_out = sum(each.amount for each in state.operations
                   if each.kind is OperationKind.PAYOUT and each.standing is Standing.SUCCEEDED)  # fmt: skip
    assert paid_out == sum(each.to_seller for each in state.tranches)
    taken = {each.line_no for each in state.tranches if each.state is State.CHARGED_BACK}
    assert not taken & {each.line_no for each in state.tranches if each.refund_id is not None}


@settings(max_examples=100, deadline=None)
@for_all(
    said=st.permutations([*USUAL, confirmed(), disputed(), ruled({1: 3_000}), withdrawn(), stopped(), verified()]),
    again=st.integers(1, 3),
)
def test_any_permutation_of_a_life_said_several_times_rests(said: list[Message], again: int) -> None:
    story = given(paid(), *[each for each in said for _ in range(again)])
    world = World(order(), story)
    world.come_to_rest()
    rested(story, order())


@settings(max_examples=100, deadline=None)
@for_all(said=st.lists(st.sampled_from(SAYABLE), max_size=25))
def test_what_was_said_before_has_no_second_effect_on_a_resting_order(said: list[Message]) -> None:
    story = given(paid())
    heard: list[Message] = [paid()]
    for message in said:
        if story.when(message).refused is None:
            heard.append(message)
    World(order(), story).come_to_rest()
    before = story.state
    for message in heard:
        story.when(message).then(nothing)
    assert story.state == before
