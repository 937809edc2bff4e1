"""Asking someone outside escrow to move money: the payment provider, or for a claim the deposits service.

One operation is asked for under one id, for a group of lines. An answer that is missing means that nobody knows whether
money moved: it is asked for, never taken for a failure. Only what is known to have failed is sent under a new id.
No refund leaves while a bank holds the order's money back, whoever asks for it and however often.
"""

from datetime import datetime
from hashlib import sha256

from msgspec.structs import replace

from contracts.deposits import ClaimDeposit
from contracts.message import Actor, Message, Role
from contracts.money import Money
from contracts.payments import OperationNotFound, PayOut, QueryOperation, RefundPayment
from escrow import money
from escrow.effects import Effects, act
from escrow.state import (
    Escrow,
    Group,
    Operation,
    OperationKind,
    Standing,
    carried,
    change,
    legs,
    lines_of,
    mark,
    open_chargeback,
    operation,
    tranches_of,
    with_operation,
    withheld,
)

ESCROW = Actor(id="escrow", role=Role.SERVICE)

PAYOUT, REFUND, CLAIM = OperationKind.PAYOUT, OperationKind.REFUND, OperationKind.CLAIM
_FIELD = {PAYOUT: "payout_id", REFUND: "refund_id", CLAIM: "claim_id"}
_AMOUNT = {PAYOUT: "to_seller", REFUND: "to_buyer", CLAIM: "to_buyer"}


@act
def pay_out(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """ask the provider to pay the seller"""
    return send(order, PAYOUT, group)


@act
def send_refund(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """ask the provider to refund the buyer"""
    return send(order, REFUND, group)


@act
def send_again(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """send what failed again, under a new operation id"""
    waiting = frozenset(lines_of(group))
    effects = Effects(order)
    for leg in _legs(order, group):
        if leg.standing is Standing.FAILED and not withheld(order, leg):
            sent = send(effects.order, leg.kind, tranches_of(effects.order, waiting & set(carried(order, leg))))
            effects = Effects(sent.order, (*effects.messages, *sent.messages), (*effects.postings, *sent.postings))
    return effects


@act
def ask_what_became(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """ask the provider what became of what is unanswered"""
    questions = tuple(
        QueryOperation(actor=ESCROW, operation_id=leg.id, reference=order.order_id)
        for leg in _legs(order, group)
        if leg.standing is Standing.SENT
    )
    return Effects(_one_query_more(order, group), questions)


@act
def repeat_operation(order: Escrow, group: Group, message: OperationNotFound, now: datetime) -> Effects:
    """send it again under the same operation id: it never arrived"""
    lost = operation(order, message.operation_id)
    if lost is None or (lost.kind is REFUND and open_chargeback(order)):
        return Effects(order)
    return Effects(with_operation(order, replace(lost, repeats=lost.repeats + 1)), (_command(order, lost),))


@act
def claim_again(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """ask the deposit again, under the same claim id"""
    claims = tuple(_command(order, leg) for leg in _legs(order, group) if leg.standing is Standing.SENT)
    return Effects(_one_query_more(order, group), claims)


@act
def fresh_tries(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """count tries and questions from the start"""
    return Effects(mark(order, lines_of(group), tries=0, queries=0))


def send(order: Escrow, kind: OperationKind, group: Group) -> Effects:
    """One new operation for the sum of the group; nothing at all when that sum is zero. A refund that must not leave
    now counts as failed from the start."""
    amount_of = _AMOUNT[kind]
    amounts = {tranche.line_no: getattr(tranche, amount_of) for tranche in group if getattr(tranche, amount_of)}
    if not amounts:
        return Effects(order)
    kept_back = kind is REFUND and open_chargeback(order)
    new = Operation(
        id=operation_id(kind, order.order_id, len(order.operations) + 1),
        kind=kind,
        lines=tuple(amounts),
        amount=sum(amounts.values()),
        standing=Standing.FAILED if kept_back else Standing.SENT,
    )
    carried_by = {"queries": 0, _FIELD[kind]: new.id}
    sent = replace(
        order,
        operations=(*order.operations, new),
        tranches=tuple([replace(each, **carried_by) if each.line_no in amounts else each for each in order.tranches]),
    )
    if kept_back:
        return Effects(sent)
    return Effects(sent, (_command(order, new),), money.reserve_payout(order, new) if kind is PAYOUT else ())


def operation_id(kind: OperationKind, order_id: str, number: int) -> str:
    """`payout-<order>-<n>`, never changed once sent: the provider and the book know the operation by it. An order id
    too long for the 64 characters of an id goes in as the start of its SHA-256."""
    id = f"{kind.value}-{order_id}-{number}"
    return id if len(id) <= 64 else f"{kind.value}-{sha256(order_id.encode()).hexdigest()[:40]}-{number}"


def _command(order: Escrow, what: Operation) -> Message:
    match what.kind:
        case OperationKind.PAYOUT:
            return PayOut(
                actor=ESCROW,
                operation_id=what.id,
                reference=order.order_id,
                seller_id=order.seller_id,
                amount=Money(amount=what.amount, currency=order.settlement),
            )
        case OperationKind.REFUND:
            return RefundPayment(
                actor=ESCROW,
                operation_id=what.id,
                reference=order.order_id,
                amount=Money(amount=what.amount, currency=order.presentment),
            )
        case OperationKind.CLAIM:
            return ClaimDeposit(
                actor=ESCROW,
                seller_id=order.seller_id,
                claim_id=what.id,
                order_id=order.order_id,
                amount=Money(amount=what.amount, currency=order.presentment),
            )


def _legs(order: Escrow, group: Group) -> tuple[Operation, ...]:
    return tuple(dict.fromkeys(leg for tranche in group for leg in legs(order, tranche)))


def _one_query_more(order: Escrow, group: Group) -> Escrow:
    return change(order, lines_of(group), lambda tranche: replace(tranche, queries=tranche.queries + 1))
