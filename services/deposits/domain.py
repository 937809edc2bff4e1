"""A seller's deposit: what it must be, what was paid in, what claims took out, and whether the seller may sell.

Whether a deposit is normal is never stored: it follows from what is required, what is there, and whether an operator
stopped the seller. So paying lifts a shortfall by itself, and nothing but an operator lifts an operator's stop.
"""

import hashlib
from datetime import datetime
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from contracts.deposits import (
    ClaimDeposit,
    DepositActivated,
    DepositClaimed,
    DepositPaymentDeclined,
    DepositRequired,
    DepositSuspended,
    OpenDeposit,
    PayDeposit,
    ReinstateDeposit,
    SuspendDeposit,
    SuspendReason,
)
from contracts.message import Actor, Command, Message, Role
from contracts.money import MAX_MINOR_UNITS, Money, major_units
from contracts.orders import PaymentMethod
from contracts.payments import (
    CollectPayment,
    OperationNotFound,
    PaymentDeclined,
    PaymentSucceeded,
    Purpose,
    QueryOperation,
)
from deposits.claims import settle
from deposits.policy import DEPOSIT_POLICIES, RATES, DepositPolicy, deposit_policy, in_force, required_deposit
from ledger.postings import Account, Kind, Transfer
from runtime.decision import Look, Outcome, Refused, Timer, TimeUp

DEPOSITS = Actor(id="deposits", role=Role.SERVICE)
PROVIDER = "provider"
ESCROW = "escrow"
ANSWER_OVERDUE = "answer_overdue"


class Status(StrEnum):
    """Where a deposit stands. Only an active one lets its seller take orders."""

    NOT_OPENED = "not_opened"
    AWAITING_PAYMENT = "awaiting_payment"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Terms(msgspec.Struct, frozen=True):
    """What was asked of the seller when the deposit was opened; `required` in minor units of `currency`."""

    category: str
    country: str
    policy: str
    required: int
    currency: str
    opened_at: datetime


class Pending(msgspec.Struct, frozen=True):
    """A payment the provider has not answered yet."""

    operation_id: str
    amount: int
    method: PaymentMethod
    asked_at: datetime


class Claim(msgspec.Struct, frozen=True):
    """A claim and its answer: `paid` of `asked` in `currency`, which took `deducted` in the deposit's own currency.

    Kept for ever, because the same claim must get the same answer. `code` says why less was paid than asked.
    """

    claim_id: str
    order_id: str
    asked: int
    paid: int
    currency: str
    deducted: int
    rates: str
    code: str
    at: datetime


class Deposit(msgspec.Struct, frozen=True):
    """A seller's deposit. `balance` is what stands in the ledger, in minor units of the terms' currency.

    Without `terms` nothing was opened yet: the record only remembers what it answered to claims. `payments` counts the
    payments begun and numbers their operations.
    """

    seller_id: str
    terms: Terms | None = None
    balance: int = 0
    payments: int = 0
    pending: Pending | None = None
    paid_at: datetime | None = None
    stopped: str | None = None
    claims: tuple[Claim, ...] = ()

    @property
    def missing(self) -> int:
        """Minor units to be paid until the deposit is complete."""
        return max(self.terms.required - self.balance, 0) if self.terms else 0

    @property
    def status(self) -> Status:
        if self.terms is None:
            return Status.NOT_OPENED
        if self.stopped:
            return Status.SUSPENDED
        if not self.missing:
            return Status.ACTIVE
        return Status.SUSPENDED if self.paid_at else Status.AWAITING_PAYMENT


def decide(state: Deposit | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Deposit]:
    """Decides one message for one seller. Refuses: forbidden, not_found, already_open, payment_pending, nothing_due,
    already_suspended, not_suspended, money_missing, amount_mismatch."""
    match message:
        case OpenDeposit():
            return _open(state, message, now)
        case PayDeposit():
            return _pay(state, message, now)
        case SuspendDeposit():
            return _suspend(state, message)
        case ReinstateDeposit():
            return _reinstate(state, message)
        case ClaimDeposit():
            return _claim(state, message, now)
        case PaymentSucceeded():
            return _payment_succeeded(state, message, now)
        case PaymentDeclined():
            return _payment_declined(state, message)
        case OperationNotFound():
            return _payment_not_found(state, message, now)
        case TimeUp():
            return _answer_overdue(state, now)
    raise TypeError(f"deposits does not decide {type(message).__name__}")


def operation_id(seller_id: str, number: int) -> str:
    """Id of a seller's payment number `number`; a seller id too long for the id's limit stands in it by its hash."""
    plain = f"deposit-{seller_id}-{number}"
    if len(plain) <= 64:
        return plain
    return f"deposit-{hashlib.sha256(seller_id.encode()).hexdigest()[:32]}-{number}"


def _open(state: Deposit | None, command: OpenDeposit, now: datetime) -> Outcome[Deposit]:
    _only_seller_or_staff(command, command.seller_id, other_seller="forbidden")
    if state and state.terms:
        raise Refused("already_open", "this seller has a deposit; read it, and pay what is missing")
    policy = in_force(DEPOSIT_POLICIES, now.date())
    amount = required_deposit(policy, command.category, command.country)
    terms = Terms(command.category, command.country, policy.version, amount.amount, amount.currency, now)
    deposit = replace(state or Deposit(command.seller_id), terms=terms)
    return Outcome(deposit, [DepositRequired(seller_id=command.seller_id, amount=amount, policy=policy.version)])


def _pay(state: Deposit | None, command: PayDeposit, now: datetime) -> Outcome[Deposit]:
    _only_seller_or_staff(command, command.seller_id)
    deposit, terms = _opened(state)
    if deposit.pending:
        raise Refused("payment_pending", "a payment is under way; wait for the provider's answer before paying again")
    if not deposit.missing:
        raise Refused("nothing_due", "the deposit is paid in full; there is nothing to pay")
    number = deposit.payments + 1
    pending = Pending(operation_id(deposit.seller_id, number), deposit.missing, command.method, now)
    asked = replace(deposit, payments=number, pending=pending)
    return Outcome(asked, [_collect(asked, terms, pending)], [_answer_timer(terms, pending, now)])


def _suspend(state: Deposit | None, command: SuspendDeposit) -> Outcome[Deposit]:
    _only_operator(command)
    deposit, _ = _opened(state)
    if deposit.stopped:
        raise Refused("already_suspended", "an operator suspended this seller before; reinstate it first")
    stopped = replace(deposit, stopped=command.reason)
    return Outcome(stopped, [_suspended(stopped, SuspendReason.OPERATOR)])


def _reinstate(state: Deposit | None, command: ReinstateDeposit) -> Outcome[Deposit]:
    _only_operator(command)
    deposit, terms = _opened(state)
    if deposit.missing:
        owed = f"{major_units(deposit.missing, terms.currency)} {terms.currency}"
        raise Refused("money_missing", f"{owed} of the deposit is missing; it must be paid first")
    if not deposit.stopped:
        raise Refused("not_suspended", "this deposit is active; there is nothing to lift")
    lifted = replace(deposit, stopped=None)
    return Outcome(lifted, [_activated(lifted)])


def _claim(state: Deposit | None, command: ClaimDeposit, now: datetime) -> Outcome[Deposit]:
    if command.actor.role is not Role.SERVICE:
        raise Refused("forbidden", "only escrow claims from a deposit, after a buyer won against a paid seller")
    deposit = state or Deposit(command.seller_id)
    known = next((claim for claim in deposit.claims if claim.claim_id == command.claim_id), None)
    if known:
        return Outcome(messages=[_claimed(deposit.seller_id, known)], note="claim_answered_before")
    rates = in_force(RATES, now.date())
    currency = deposit.terms.currency if deposit.terms else command.amount.currency
    answer = settle(command.amount, deposit.balance, currency, rates)
    claim = Claim(
        command.claim_id, command.order_id, command.amount.amount, answer.paid, command.amount.currency,
        answer.deducted, rates.version, answer.code, now,
    )  # fmt: skip
    after = replace(deposit, balance=deposit.balance - answer.deducted, claims=(*deposit.claims, claim))
    messages: list[Message] = [_claimed(deposit.seller_id, claim)]
    if deposit.status is Status.ACTIVE and after.status is Status.SUSPENDED:
        messages.append(_suspended(after, SuspendReason.SHORTFALL))
    transfers = [
        Transfer(
            id=f"{deposit.seller_id}/claim/{claim.claim_id}",
            debit=Account(Kind.DEPOSIT, deposit.seller_id, currency),
            credit=Account(Kind.CLAIMS, ESCROW, currency),
            amount=claim.deducted,
            purpose="claim",
            order_id=claim.order_id,
        )
    ]
    return Outcome(after, messages, postings=transfers if claim.deducted else (), note=claim.code)


def _payment_succeeded(state: Deposit | None, event: PaymentSucceeded, now: datetime) -> Outcome[Deposit]:
    if not _awaited(state, event.operation_id):
        return Outcome(note=_why_not_awaited(state, event.operation_id))
    deposit, terms = _opened(state)
    balance = deposit.balance + event.amount.amount
    if event.amount.currency != terms.currency or balance > MAX_MINOR_UNITS:
        raise Refused("amount_mismatch", f"{event.amount} cannot be booked here; correct the provider's answer")
    paid = replace(deposit, balance=balance, pending=None, paid_at=now)
    transfer = Transfer(
        id=f"{deposit.seller_id}/payment/{event.operation_id}",
        debit=Account(Kind.CLEARING, PROVIDER, terms.currency),
        credit=Account(Kind.DEPOSIT, deposit.seller_id, terms.currency),
        amount=event.amount.amount,
        purpose="deposit",
        order_id=deposit.seller_id,
    )
    timers = [Timer(ANSWER_OVERDUE, None)]
    if paid.stopped:
        return Outcome(paid, timers=timers, postings=[transfer], note="still_suspended_by_operator")
    news = _suspended(paid, SuspendReason.SHORTFALL) if paid.missing else _activated(paid)
    return Outcome(paid, [news], timers, [transfer])


def _payment_declined(state: Deposit | None, event: PaymentDeclined) -> Outcome[Deposit]:
    if not _awaited(state, event.operation_id):
        return Outcome(note=_why_not_awaited(state, event.operation_id))
    deposit, _ = _opened(state)
    declined = DepositPaymentDeclined(seller_id=deposit.seller_id, reason=event.reason)
    return Outcome(replace(deposit, pending=None), [declined], [Timer(ANSWER_OVERDUE, None)])


def _payment_not_found(state: Deposit | None, event: OperationNotFound, now: datetime) -> Outcome[Deposit]:
    """The request never arrived: it is sent again under the same id, which can move the money only once."""
    if not (state and state.pending and _awaited(state, event.operation_id)):
        return Outcome(note=_why_not_awaited(state, event.operation_id))
    deposit, terms = _opened(state)
    return Outcome(
        messages=[_collect(deposit, terms, state.pending)],
        timers=[_answer_timer(terms, state.pending, now)],
        note="asked_again",
    )


def _answer_overdue(state: Deposit | None, now: datetime) -> Outcome[Deposit]:
    """No answer is not a failure: what became of the payment is unknown, and is asked."""
    if not (state and state.pending):
        return Outcome(note="nothing_pending")
    deposit, terms = _opened(state)
    query = QueryOperation(actor=DEPOSITS, operation_id=state.pending.operation_id, reference=deposit.seller_id)
    again = now + _policy(terms).ask_again_every
    return Outcome(messages=[query], timers=[Timer(ANSWER_OVERDUE, again)])


def _only_seller_or_staff(command: Command, seller_id: str, other_seller: str = "not_found") -> None:
    actor = command.actor
    if actor.role in (Role.SUPPORT, Role.SERVICE):
        return
    if actor.role is not Role.SELLER:
        raise Refused("forbidden", "only the seller, support or a service may do this")
    if actor.id != seller_id:
        raise Refused(other_seller, "a seller has only a deposit of their own; use your own seller id")


def _only_operator(command: Command) -> None:
    if command.actor.role is not Role.OPERATOR:
        raise Refused("forbidden", "only an operator suspends and reinstates sellers")


def _opened(state: Deposit | None) -> tuple[Deposit, Terms]:
    if state is None or state.terms is None:
        raise Refused("not_found", "this seller has no deposit; open one first")
    return state, state.terms


def _awaited(state: Deposit | None, operation: str) -> bool:
    return bool(state and state.pending and state.pending.operation_id == operation)


def _why_not_awaited(state: Deposit | None, operation: str) -> str:
    begun = range(1, state.payments + 1) if state else ()
    known = state and operation in {operation_id(state.seller_id, number) for number in begun}
    return "duplicate" if known else "unknown_operation"


def _policy(terms: Terms) -> DepositPolicy:
    return deposit_policy(terms.policy)


def _answer_timer(terms: Terms, pending: Pending, now: datetime) -> Timer:
    return Timer(ANSWER_OVERDUE, now + _policy(terms).answer_within[pending.method])


def _collect(deposit: Deposit, terms: Terms, pending: Pending) -> CollectPayment:
    return CollectPayment(
        actor=DEPOSITS,
        operation_id=pending.operation_id,
        reference=deposit.seller_id,
        purpose=Purpose.DEPOSIT,
        amount=Money(amount=pending.amount, currency=terms.currency),
        method=pending.method,
    )


def _activated(deposit: Deposit) -> DepositActivated:
    return DepositActivated(seller_id=deposit.seller_id, balance=_money(deposit, deposit.balance))


def _suspended(deposit: Deposit, reason: SuspendReason) -> DepositSuspended:
    return DepositSuspended(seller_id=deposit.seller_id, reason=reason, missing=_money(deposit, deposit.missing))


def _claimed(seller_id: str, claim: Claim) -> DepositClaimed:
    return DepositClaimed(
        seller_id=seller_id,
        claim_id=claim.claim_id,
        order_id=claim.order_id,
        asked=Money(amount=claim.asked, currency=claim.currency),
        paid=Money(amount=claim.paid, currency=claim.currency),
    )


def _money(deposit: Deposit, amount: int) -> Money:
    _, terms = _opened(deposit)
    return Money(amount=amount, currency=terms.currency)
