"""The table as a whole: every state × every message does what the table says, and doing it again does nothing more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.deposits import DepositClaimed
from contracts.disputes import Verdict
from contracts.escrow import OperationResult, RecordOperationResult, RetryOperation
from contracts.message import Message
from contracts.orders import OrderCancelled
from contracts.registry import REGISTRY
from escrow.invariants import invariants
from escrow.process import Ask, Branch, Decided, Later, Move, No, ReminderDue, Resume, Skip, ends
from escrow.saga import ESCROW
from escrow.service import DEADLINE, REMINDER, SERVICE, decide, earliest
from escrow.state import Escrow, OperationKind, State
from escrow.walk import Walk, resolve, walk
from runtime.decision import Refused, TimeUp
from tests.unit.escrow.language import (
    ID,
    OPERATOR,
    PAST,
    T0,
    Story,
    brought_back,
    cancelled,
    charged_back,
    cleared,
    confirmed,
    days,
    delivered,
    deposit_pays,
    disputed,
    given,
    given_back,
    hours,
    lost,
    paid,
    paid_late,
    recorded,
    rejected,
    replacement_shipped,
    retried,
    return_received,
    return_shipped,
    ruled,
    shipped,
    stopped,
    verified,
    withdrawn,
)

KNOWN = [state for state in State if state is not State.START]
MESSAGES = [message for message in ESCROW.messages if issubclass(message, Message)]


def test_there_is_a_way_into_every_state() -> None:
    assert list(PAST) == KNOWN
    for state in KNOWN:
        given(*PAST[state]).then(state)


def of_type(message: type, story: Story) -> Any:
    """A message of this type that the order could get."""
    now = story.folding.now
    asked = story.state.operations[-1].id if story.state.operations else "payout-o-1-1"
    made: dict[type, Any] = {type(each): each for each in everything()}
    made[TimeUp] = TimeUp(DEADLINE, now)
    made[ReminderDue] = ReminderDue(now)
    made[DepositClaimed] = deposit_pays(1)(given(*PAST[State.RECOVERING]))
    made[RetryOperation] = retried(asked)(story)
    made[RecordOperationResult] = recorded(OperationResult.FAILED, asked)(story)
    return made[message]


def everything() -> Iterator[Message]:
    yield from (paid(at=T0 + hours(1)), paid_late(at=T0 + hours(2)), cleared(), stopped(), verified(), rejected())
    yield from (shipped(), delivered(), brought_back(), lost())
    yield from (confirmed(), cancelled(), disputed(case="d-9"), withdrawn())
    yield from (ruled({1: Verdict.REFUND}), return_shipped(), return_received(), replacement_shipped())
    yield from (charged_back(id="cb-9"), given_back(id="cb-9"))
    for name in ("payments.payout_succeeded.v1", "payments.payout_failed.v1", "payments.refund_succeeded.v1",
                 "payments.refund_failed.v1", "payments.operation_not_found.v1"):  # fmt: skip
        kind = REGISTRY[name]
        about = {"operation_id": "payout-o-1-1", "reference": ID}
        amount = {"amount": {"amount": 9_500, "currency": "EUR"}} if "amount" in kind.model_fields else {}
        reason = {"reason": "because"} if "reason" in kind.model_fields else {}
        yield kind.model_validate(about | amount | reason)


@pytest.mark.parametrize("message", [*MESSAGES, TimeUp, ReminderDue], ids=lambda message: message.__name__)
@pytest.mark.parametrize("state", KNOWN)
def test_a_line_in_this_state_does_with_this_message_what_the_table_says(state: State, message: type) -> None:
    """The engine against the table alone, without what hearing takes out before."""
    recovering = (state, message) == (State.WITH_OPERATOR, DepositClaimed)
    story = given(*PAST[State.RECOVERING], days(6)) if recovering else given(*PAST[state])
    order, now = story.state, story.folding.now
    branch = ESCROW.table.get((state, message))
    if branch is None:
        assert message in (TimeUp, ReminderDue)
        return
    told = of_type(message, story)
    decided = resolve(branch, order, order.tranches[0], told, now)
    assert decided in list(ends(branch))
    if isinstance(decided, No):
        with pytest.raises(Refused) as refused:
            walk(ESCROW, Walk(order), told, (1,), now)
        assert refused.value.code == decided.code
        return
    after = Walk(order)
    walk(ESCROW, after, told, (1,), now)
    _check(decided, order, after, now, message)


def _check(decided: Decided, before: Escrow, after: Walk, now: datetime, message: type) -> None:
    was, is_now = before.tranches[0], after.order.tranches[0]
    match decided:
        case Move(to, _, within, _, pauses):
            again = _again(before, after.order)
            assert again or is_now.state is (to or was.state)
            if within is not None and not again:
                assert is_now.deadline_at is not None and is_now.deadline_at > now
            assert again or (is_now.paused[:-1] == was.paused if pauses else True)
        case Resume():
            assert is_now.state is was.paused[-1].state
        case Skip():
            assert (after.order, after.messages, after.postings) == (before, [], [])
        case Later():
            assert (after.messages, after.postings) == ([], [])
            assert replace(after.order, kept=()) == replace(before, kept=())
            assert after.order.kept[-1].type == message.CE_TYPE  # type: ignore[attr-defined]
        case _:
            raise AssertionError(decided)


def _again(before: Escrow, after: Escrow) -> bool:
    return len(after.kept) < len(before.kept)


def test_every_answer_of_every_question_is_an_end() -> None:
    for (state, message), branch in ESCROW.table.items():
        assert list(ends(branch)), f"{message.__name__} × {state.name}"
        for question in _questions(branch):
            assert question.by.__doc__, f"{message.__name__} × {state.name}: a question without words"


def _questions(branch: Branch) -> Iterator[Ask]:
    if isinstance(branch, Ask):
        yield branch
        for answer in branch.answers.values():
            yield from _questions(answer)


def test_the_service_routes_what_the_table_names_and_nothing_else() -> None:
    assert list(SERVICE.routes) == MESSAGES
    assert {SERVICE.routes[type(message)].key(message) for message in everything()} == {ID}
    assert SERVICE.routes[OrderCancelled].key(cancelled(was_paid=False)) is None


def test_a_message_about_an_order_nobody_paid_for_moves_nothing() -> None:
    for message in everything():
        if type(message).__name__ in ("OrderPaid", "LatePaymentReceived"):
            continue
        story = given().when(message)
        remembered = type(message).__name__ in ("ChargebackReceived", "ChargebackReversed")
        assert (story.folding.state("escrow", ID) is not None) is remembered
        assert (story.happened, story.moved) == ([], [])


def reachable(limit: int) -> Iterator[tuple[Escrow, datetime, list[Any]]]:
    """Orders that can come about, each with what might be said to it next; breadth first from one of every state,
    alike ones once."""
    stories = [given(*past) for past in PAST.values()]
    queue = [(story.state, story.folding.now) for story in stories]
    seen = {_shape(order) for order, _ in queue}
    for order, now in queue:
        said = list(_sayable(order, now))
        yield order, now, said
        for message, at in said:
            after = _decided(order, message, at)
            if after is None or after.state is None:
                continue
            shape = _shape(after.state)
            if shape not in seen and len(seen) < limit:
                seen.add(shape)
                queue.append((after.state, at))


def _look(aggregate: str, id: str) -> None:
    return None


def _decided(order: Escrow, message: Any, now: datetime) -> Any:
    try:
        return decide(order, message, now, _look)
    except Refused:
        return None


def _shape(order: Escrow) -> Any:
    """What makes two orders different for the table: not their times and numbers."""
    tranche = order.tranches[0]
    flags = (tranche.released_at is None, tranche.to_buyer, tranche.return_shipped, tranche.why, tranche.tries > 4)
    return (
        tranche.state,
        tuple(each.state for each in tranche.paused),
        flags,
        tranche.queries > 4,
        tranche.carrier is None,
        tranche.dispute_id,
        order.stopped,
        tuple(sorted({(each.kind, each.standing) for each in order.operations})),
        tuple((each.received, each.reversed) for each in order.chargebacks),
        tuple(each.type for each in order.kept),
    )


def _sayable(order: Escrow, now: datetime) -> Iterator[tuple[Any, datetime]]:
    """Every message that could come to it, and its timers, with the time at which it comes."""
    for message in (*everything(), disputed(), confirmed(at=now + hours(1)), ruled({1: Verdict.RELEASE}),
                    ruled({1: Verdict.RETURN}), ruled({1: Verdict.REPLACE}), ruled({1: 2_500}), shipped("letter_post"),
                    delivered("TRACK-2"), charged_back(), given_back()):  # fmt: skip
        yield message, now + timedelta(minutes=1)
    for name, due in zip((DEADLINE, REMINDER), earliest(order), strict=True):
        if due is not None:
            yield TimeUp(name, due), max(due, now)
    for each in order.operations:
        yield from ((answer, now + timedelta(minutes=1)) for answer in _answers(order, each.id, each.kind, each.amount))


def _answers(order: Escrow, id: str, kind: OperationKind, amount: int) -> Iterator[Message]:
    about = {"operation_id": id, "reference": ID}
    currency = order.settlement if kind is OperationKind.PAYOUT else order.presentment
    money = {"amount": amount, "currency": currency}
    if kind is OperationKind.CLAIM:
        claim = {"seller_id": "s-1", "claim_id": id, "order_id": ID, "asked": money}
        yield REGISTRY["deposits.deposit_claimed.v1"].model_validate(claim | {"paid": money})
    else:
        name = "payout" if kind is OperationKind.PAYOUT else "refund"
        yield REGISTRY[f"payments.{name}_succeeded.v1"].model_validate(about | {"amount": money})
        yield REGISTRY[f"payments.{name}_failed.v1"].model_validate(about | {"reason": "because"})
        yield REGISTRY["payments.operation_not_found.v1"].model_validate(about)
    command = {"actor": OPERATOR, "order_id": ID, "operation_id": id}
    yield REGISTRY["escrow.retry_operation.v1"].model_validate(command)
    for result in OperationResult:
        yield REGISTRY["escrow.record_operation_result.v1"].model_validate(command | {"result": result})


def test_saying_anything_twice_to_any_order_has_one_effect() -> None:
    """Every message in every kind of order that can come about, and at once again: only the first has an effect."""
    states: set[State] = set()
    taken: set[tuple[State, type]] = set()
    for order, _, said in reachable(limit=700):
        assert invariants(order) == []
        states.add(order.tranches[0].state)
        for message, at in said:
            first = _decided(order, message, at)
            if first is None or first.state is None:
                continue
            taken.add((order.tranches[0].state, type(message)))
            second = _decided(first.state, message, at)
            if second is not None:
                words = f"{type(message).__name__} twice in {order.tranches[0].state}"
                assert (second.state, [*second.messages], [*second.postings]) == (None, [], []), words
    assert states == set(KNOWN)
    assert len(taken) > 150


def test_a_timer_that_fires_early_or_late_or_twice_moves_nothing_and_is_never_lost() -> None:
    for state in KNOWN:
        story = given(*PAST[state])
        for name, due in zip((DEADLINE, REMINDER), earliest(story.state), strict=True):
            early = decide(story.state, TimeUp(name, story.folding.now), story.folding.now, _look)
            assert (early.state, early.messages) == (None, [])
            assert [(timer.name, timer.due_at) for timer in early.timers] == ([(name, due)] if due else [])
