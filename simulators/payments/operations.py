"""One movement of money at the provider, from request to answer. The same operation id moves money once for ever."""

import re
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from contracts.message import Command, Event, Id, Message, Role
from contracts.money import Money
from contracts.orders import PaymentMethod
from contracts.payments import (
    CollectPayment,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    PayOut,
    PayoutFailed,
    PayoutSucceeded,
    Purpose,
    QueryOperation,
    RefundFailed,
    RefundPayment,
    RefundSucceeded,
)
from runtime.decision import Look, Outcome, Ref, Refused, Timer, TimeUp
from simulators.faults import LONGEST_DELAY, SHORTEST_DELAY, TOLD_AGAIN_WITHIN, Faults
from simulators.payments.control import Misbehaviour
from simulators.payments.policy import ProviderPolicy, in_force
from simulators.payments.scripts import Rule, Script

Request = CollectPayment | RefundPayment | PayOut
Asking = Request | QueryOperation
ANSWER, TELL = "answer", "tell"
"""Timers: the result stands, and it is told (later than it stands, or once more)."""


class Asked(Command, key="operation_id", owner="payments"):
    """What somebody asks for over HTTP."""

    operation_id: Id
    request: Asking


class Kind(StrEnum):
    """Which way money moves: a payment in, a refund or a payout out."""

    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"


class Status(StrEnum):
    """Where an operation stands. Of a lost one the provider knows nothing, though the simulator does."""

    LOST = "lost"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Operation(msgspec.Struct, frozen=True):
    """An operation; `amount` in minor units. `fails` is the reason it will fail with, decided when it begins; a
    `silent` one tells its result only when asked. `faults` are those that meet it by themselves, not by script."""

    operation_id: str
    reference: str
    kind: Kind
    amount: int
    currency: str
    status: Status
    asked_at: datetime
    purpose: Purpose | None = None
    method: PaymentMethod | None = None
    seller_id: str | None = None
    fails: str | None = None
    silent: bool = False
    done_at: datetime | None = None
    faults: tuple[str, ...] = ()


def scripts_for(request: Request) -> tuple[Ref, ...]:
    """The scripts that may concern an operation, the more exact one first."""
    return Ref("scripts", request.operation_id), Ref("scripts", request.reference)


def decide(
    faults: Faults, state: Operation | None, message: Message | TimeUp, now: datetime, look: Look
) -> Outcome[Operation]:
    """Decides one message for one operation. Refuses: forbidden, operation_differs."""
    match message:
        case Asked():
            return decide(faults, state, message.request, now, look)
        case CollectPayment() | RefundPayment() | PayOut():
            return _ask(faults, state, message, now, look)
        case QueryOperation():
            return _query(state, message)
        case TimeUp(name=name) if name == TELL:
            return Outcome(messages=[_answer(state)] if state else (), note="told_late_or_again")
        case TimeUp():
            return _finish(faults, state, now)
    raise TypeError(f"the provider does not decide {type(message).__name__}")


def _ask(faults: Faults, state: Operation | None, request: Request, now: datetime, look: Look) -> Outcome[Operation]:
    only_services(request)
    asked = _operation(request, now)
    if state is None:
        rules = _rules(asked, request, look)
        if Misbehaviour.LOST in rules:
            return Outcome(replace(asked, status=Status.LOST), note="lost_by_script")
        asked = replace(asked, faults=_faults_of(asked, faults))
        if "request_lost" in asked.faults:
            return Outcome(replace(asked, status=Status.LOST), note="lost_by_fault")
        return _begin(asked, rules, now)
    if _content(state) != _content(asked):
        raise Refused("operation_differs", "this operation id was used for something else; use a new one")
    if state.status is Status.LOST:
        return _begin(replace(asked, faults=state.faults), _rules(asked, request, look), now)
    if state.status is Status.IN_PROGRESS:
        return Outcome(note="in_progress")
    return Outcome(messages=[_answer(state)], note="answered_again")


def _begin(asked: Operation, rules: dict[Misbehaviour, Rule], now: datetime) -> Outcome[Operation]:
    failing = rules.get(_FAILURE[asked.kind])
    fails = (failing.reason or _DEFAULT_REASON[asked.kind]) if failing else None
    if fails is None and not _FAILING.isdisjoint(asked.faults):
        fails = _DEFAULT_REASON[asked.kind]
    silent = Misbehaviour.SILENT in rules or "answer_lost" in asked.faults
    begun = replace(asked, fails=fails, silent=silent)
    return Outcome(begun, timers=[Timer(ANSWER, now + _takes(begun, in_force(now.date())))])


def _finish(faults: Faults, state: Operation | None, now: datetime) -> Outcome[Operation]:
    if state is None or state.status is not Status.IN_PROGRESS:
        return Outcome(note="not_in_progress")
    done = replace(state, status=Status.FAILED if state.fails else Status.SUCCEEDED, done_at=now)
    if done.silent:
        return Outcome(done, note="silent")
    if "delay" in done.faults:
        late = faults.span("delay", done.operation_id, SHORTEST_DELAY, LONGEST_DELAY)
        return Outcome(done, timers=[Timer(TELL, now + late)], note="told_late")
    if "duplicate" in done.faults:
        again = faults.span("duplicate", done.operation_id, SHORTEST_DELAY, TOLD_AGAIN_WITHIN)
        return Outcome(done, [_answer(done)], [Timer(TELL, now + again)])
    return Outcome(done, [_answer(done)])


def _faults_of(asked: Operation, faults: Faults) -> tuple[str, ...]:
    """What meets an operation: at most one way to fail, and at most one way to be told badly.

    A deposit is spared: a seller without one takes no orders, and whoever replays orders pays it once.
    """
    if not faults or asked.purpose is Purpose.DEPOSIT:
        return ()
    name, reference = asked.operation_id, asked.reference
    failing = faults.one_of(_NEVER[asked.kind], reference) or faults.one_of(_FAILS[asked.kind], name)
    told = faults.one_of(("request_lost", "answer_lost", "delay", "duplicate"), name)
    slow = faults.one_of(("timeout",), name)
    return tuple(word for word in (failing, told, slow) if word)


def _query(state: Operation | None, query: QueryOperation) -> Outcome[Operation]:
    only_services(query)
    if state is None or state.status is Status.LOST or state.reference != query.reference:
        unknown = OperationNotFound(operation_id=query.operation_id, reference=query.reference)
        return Outcome(messages=[unknown])
    if state.status is Status.IN_PROGRESS:
        return Outcome(note="in_progress")
    return Outcome(messages=[_answer(state)])


def only_services(command: Command) -> None:
    """Raises `Refused` (forbidden) where anybody else asks for money to move."""
    if command.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "the provider takes orders only from services")


def _operation(request: Request, now: datetime) -> Operation:
    kind = {CollectPayment: Kind.PAYMENT, RefundPayment: Kind.REFUND, PayOut: Kind.PAYOUT}[type(request)]
    operation = Operation(
        operation_id=request.operation_id,
        reference=request.reference,
        kind=kind,
        amount=request.amount.amount,
        currency=request.amount.currency,
        status=Status.IN_PROGRESS,
        asked_at=now,
    )
    match request:
        case CollectPayment():
            return replace(operation, purpose=request.purpose, method=request.method)
        case PayOut():
            return replace(operation, seller_id=request.seller_id)
    return operation


def _content(operation: Operation) -> tuple[object, ...]:
    """What must be the same when an operation id is used again."""
    return (
        operation.reference, operation.kind, operation.amount, operation.currency,
        operation.purpose, operation.method, operation.seller_id,
    )  # fmt: skip


def _rules(operation: Operation, request: Request, look: Look) -> dict[Misbehaviour, Rule]:
    """The rules that concern an operation; one for exactly this operation wins over one for its reference."""
    attempt = _attempt(operation.operation_id)
    rules: dict[Misbehaviour, Rule] = {}
    for ref in scripts_for(request):
        script: Script | None = look(*ref)
        for rule in script.rules if script else ():
            if rule.attempts is None or attempt <= rule.attempts:
                rules.setdefault(rule.outcome, rule)
    return rules


def _attempt(operation_id: str) -> int:
    ending = re.search(r"-(\d+)$", operation_id)
    return int(ending[1]) if ending else 1


def _takes(operation: Operation, policy: ProviderPolicy) -> timedelta:
    if operation.method:
        return policy.payment[operation.method]
    return policy.refund if operation.kind is Kind.REFUND else policy.payout


def _answer(done: Operation) -> Event:
    """The result of an operation; the same every time it is told."""
    names = {"operation_id": done.operation_id, "reference": done.reference}
    amount = Money(amount=done.amount, currency=done.currency)
    if done.purpose and done.method:
        if done.fails:
            return PaymentDeclined(**names, purpose=done.purpose, method=done.method, reason=done.fails)
        return PaymentSucceeded(**names, purpose=done.purpose, amount=amount, method=done.method)
    if done.kind is Kind.REFUND:
        return RefundFailed(**names, reason=done.fails) if done.fails else RefundSucceeded(**names, amount=amount)
    return PayoutFailed(**names, reason=done.fails) if done.fails else PayoutSucceeded(**names, amount=amount)


_FAILURE = {
    Kind.PAYMENT: Misbehaviour.DECLINE,
    Kind.REFUND: Misbehaviour.FAIL_REFUND,
    Kind.PAYOUT: Misbehaviour.FAIL_PAYOUT,
}
_FAILS: dict[Kind, tuple[str, ...]] = {
    Kind.PAYMENT: ("decline",),
    Kind.REFUND: ("refund_fails",),
    Kind.PAYOUT: ("payout_fails",),
}
_NEVER: dict[Kind, tuple[str, ...]] = {
    Kind.PAYMENT: (),
    Kind.REFUND: ("refund_never",),
    Kind.PAYOUT: ("payout_never",),
}
_FAILING = frozenset(word for words in (*_FAILS.values(), *_NEVER.values()) for word in words)
_DEFAULT_REASON = {Kind.PAYMENT: "declined_by_bank", Kind.REFUND: "refund_rejected", Kind.PAYOUT: "account_closed"}
