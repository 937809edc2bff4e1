"""A person's account: who they are to the marketplace, which of their orders were stopped, and how they appealed.

Screening always answers. What it cannot judge it stops: an order of somebody unknown, or in a currency without a
reference rate, waits for a person to look, because a limit that another currency evades would be no limit.
"""

from datetime import date, datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from contracts.identity import (
    AccountOpened,
    AppealRejected,
    AppealSubmitted,
    AppealVerified,
    DocumentKind,
    OpenAccount,
    OrderCleared,
    OrderStopped,
    RejectAppeal,
    RiskSignal,
    ScreenOrder,
    SubmitAppeal,
    VerifyAppeal,
)
from contracts.message import Command, Message, Role
from contracts.money import Money
from identity import documents
from identity.policy import APPEAL_POLICIES, SCREENING_POLICIES, ScreeningPolicy, in_force
from runtime.decision import Look, Outcome, Refused, TimeUp


class StopStatus(StrEnum):
    """Where a stopped order stands."""

    STOPPED = "stopped"
    SUBMITTED = "submitted"
    VERIFIED = "verified"
    REJECTED = "rejected"


class Signal(msgspec.Struct, frozen=True):
    """A rule that fired, and the policy version it fired under."""

    rule: str
    policy: str


class Paper(msgspec.Struct, frozen=True):
    """A document an appeal showed, by reference only (I8)."""

    kind: DocumentKind
    sha256: str
    issued_on: date


class Stop(msgspec.Struct, frozen=True):
    """An order that was stopped, why, and what became of the appeal."""

    order_id: str
    at: datetime
    signals: tuple[Signal, ...]
    status: StopStatus = StopStatus.STOPPED
    appeal_id: str | None = None
    policy: str | None = None
    documents: tuple[Paper, ...] = ()
    submitted_at: datetime | None = None
    decided_at: datetime | None = None
    reviewer_id: str | None = None
    reason: str | None = None


class Screened(msgspec.Struct, frozen=True):
    """A lately screened order."""

    order_id: str
    at: datetime


class Account(msgspec.Struct, frozen=True):
    """A person. `country` is None for somebody whose order was screened though they never opened an account."""

    person_id: str
    country: str | None = None
    opened_at: datetime | None = None
    recent: tuple[Screened, ...] = ()
    stops: tuple[Stop, ...] = ()


def decide(state: Account | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Account]:
    """Decides one message for one person. Refuses: forbidden, not_found, already_open, already_submitted,
    already_decided, appeal_id_taken, and what `documents.check` refuses."""
    match message:
        case ScreenOrder():
            return _screen(state, message, now)
        case OpenAccount():
            return _open(state, message, now)
        case SubmitAppeal():
            return _submit(state, message, now)
        case VerifyAppeal():
            return _verify(state, message, now)
        case RejectAppeal():
            return _reject(state, message, now)
    raise TypeError(f"identity does not decide {type(message).__name__}")


def _open(state: Account | None, command: OpenAccount, now: datetime) -> Outcome[Account]:
    _only_the_person_or(command, command.person_id, (Role.SUPPORT, Role.SERVICE), others="forbidden")
    if state and state.opened_at:
        raise Refused("already_open", "this person has an account; use it")
    account = replace(state or Account(command.person_id), country=command.country, opened_at=now)
    return Outcome(account, [AccountOpened(person_id=command.person_id, country=command.country)])


def _screen(state: Account | None, command: ScreenOrder, now: datetime) -> Outcome[Account]:
    if command.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "only a service asks for screening; an order is screened when it is paid")
    account = state or Account(command.person_id)
    for stop in account.stops:
        if stop.order_id == command.order_id:
            return Outcome(messages=[_stopped(account, stop)], note="screened_before")
    cleared = OrderCleared(order_id=command.order_id, person_id=command.person_id)
    if command.order_id in [screened.order_id for screened in account.recent]:
        return Outcome(messages=[cleared], note="screened_before")

    policy = in_force(SCREENING_POLICIES, now.date())
    recent = (*account.recent, Screened(command.order_id, now))[-policy.remembered :]
    screened = replace(account, recent=recent)
    fired = _rules_that_fire(screened, command.total, policy, now)
    if not fired:
        return Outcome(screened, [cleared])
    stop = Stop(command.order_id, now, tuple(Signal(rule, policy.version) for rule in fired))
    return Outcome(replace(screened, stops=(*screened.stops, stop)), [_stopped(account, stop)])


def _rules_that_fire(account: Account, total: Money, policy: ScreeningPolicy, now: datetime) -> list[str]:
    """The rules against the newest order of `account.recent`, which costs `total`."""
    rules = []
    if account.opened_at is None:
        rules.append("unknown_account")
    limit = policy.large_order.get(total.currency)
    if limit is None:
        rules.append("no_reference_rate")
    elif total.amount >= limit:
        rules.append("large_order")
    since = now - policy.bulk_within
    if len([screened for screened in account.recent if screened.at > since]) >= policy.bulk_orders:
        rules.append("bulk_orders")
    return rules


def _submit(state: Account | None, command: SubmitAppeal, now: datetime) -> Outcome[Account]:
    _only_the_person_or(command, command.person_id, (Role.SUPPORT,), others="not_found")
    stops = state.stops if state else ()
    stop = next((stop for stop in stops if stop.order_id == command.order_id), None)
    if state is None or stop is None:
        raise Refused("not_found", "no order of this person was stopped under this id; there is nothing to appeal")
    if stop.status is StopStatus.SUBMITTED:
        raise Refused("already_submitted", f"appeal {stop.appeal_id} waits for a reviewer; no need to send it again")
    if stop.status is not StopStatus.STOPPED:
        raise Refused("already_decided", f"the appeal for this order was {stop.status}; it cannot be made again")
    if any(other.appeal_id == command.appeal_id for other in stops):
        raise Refused("appeal_id_taken", "this appeal id belongs to another order of yours; use a new one")
    policy = in_force(APPEAL_POLICIES, now.date())
    documents.check(command.documents, state.country, policy, now.date())
    submitted = replace(
        stop,
        status=StopStatus.SUBMITTED,
        appeal_id=command.appeal_id,
        policy=policy.version,
        documents=tuple(Paper(paper.kind, paper.sha256, paper.issued_on) for paper in command.documents),
        submitted_at=now,
    )
    event = AppealSubmitted(appeal_id=command.appeal_id, person_id=command.person_id, order_id=command.order_id)
    return Outcome(_with(state, submitted), [event])


def _verify(state: Account | None, command: VerifyAppeal, now: datetime) -> Outcome[Account]:
    account, stop = _under_review(state, command)
    decided = replace(stop, status=StopStatus.VERIFIED, decided_at=now, reviewer_id=command.actor.id)
    event = AppealVerified(appeal_id=command.appeal_id, person_id=command.person_id, order_id=stop.order_id)
    return Outcome(_with(account, decided), [event])


def _reject(state: Account | None, command: RejectAppeal, now: datetime) -> Outcome[Account]:
    account, stop = _under_review(state, command)
    decided = replace(
        stop, status=StopStatus.REJECTED, decided_at=now, reviewer_id=command.actor.id, reason=command.reason
    )
    event = AppealRejected(
        appeal_id=command.appeal_id, person_id=command.person_id, order_id=stop.order_id, reason=command.reason
    )
    return Outcome(_with(account, decided), [event])


def _under_review(state: Account | None, command: VerifyAppeal | RejectAppeal) -> tuple[Account, Stop]:
    """The appeal a reviewer may decide now."""
    if command.actor.role is not Role.REVIEWER:
        raise Refused("forbidden", "only a reviewer decides an appeal")
    if command.actor.id == command.person_id:
        raise Refused("forbidden", "nobody decides their own appeal; leave it to another reviewer")
    stops = state.stops if state else ()
    stop = next((stop for stop in stops if stop.appeal_id == command.appeal_id), None)
    if state is None or stop is None:
        raise Refused("not_found", "this person has no appeal of this id; look it up in the list of appeals")
    if stop.status is not StopStatus.SUBMITTED:
        raise Refused("already_decided", f"this appeal was {stop.status} before; it is decided once")
    return state, stop


def _only_the_person_or(command: Command, person_id: str, roles: tuple[Role, ...], others: str) -> None:
    """People act as buyer or seller. Somebody else's account is refused with the code `others`."""
    actor = command.actor
    if actor.role in roles:
        return
    if actor.role not in (Role.BUYER, Role.SELLER):
        raise Refused("forbidden", f"only the person themselves or {', '.join(roles)} may do this")
    if actor.id != person_id:
        raise Refused(others, "people act only for themselves; use your own person id")


def _with(account: Account, changed: Stop) -> Account:
    stops = tuple(changed if stop.order_id == changed.order_id else stop for stop in account.stops)
    return replace(account, stops=stops)


def _stopped(account: Account, stop: Stop) -> OrderStopped:
    signals = tuple(RiskSignal(rule=signal.rule, policy=signal.policy) for signal in stop.signals)
    return OrderStopped(order_id=stop.order_id, person_id=account.person_id, signals=signals)
