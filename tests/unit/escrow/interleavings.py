"""Every order in which refund, payout, chargeback and case can happen to one order, by search: from a state every step
that may come next is taken, from each of the states that brings again, down to a depth. Ways that meet in the same
order, book, time and knowledge go on as one, so all sequences up to that length are covered, late and doubled ones too.

The provider is honest and slow: an operation ends one way for ever, which may be told at any time, often, and never.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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
    RefundPayment,
    RefundSucceeded,
)
from escrow.invariants import held, invariants
from escrow.service import DEADLINE, decide, earliest
from escrow.state import Escrow, Operation, OperationKind, Standing, open_chargeback
from ledger.book import Book
from ledger.postings import Account, Kind
from runtime.decision import Outcome, Refused, TimeUp
from tests.unit.escrow.language import (
    ID,
    OPERATOR,
    Story,
    cancelled,
    charged_back,
    confirmed,
    disputed,
    given_back,
    return_received,
    ruled,
    withdrawn,
)

SAID: dict[str, Message] = {
    "chargeback received": charged_back(),
    "chargeback reversed": given_back(),
    "dispute opened": disputed(),
    "ruled: refund": ruled({1: Verdict.REFUND}),
    "ruled: split": ruled({1: 3_000}),
    "dispute withdrawn": withdrawn(),
    "goods returned": return_received(),
    "cancelled": cancelled(),
    "confirmed": confirmed(),
}


@dataclass(frozen=True)
class Known:
    """What the world knows beside escrow: how operations ended, and which escrow asked about."""

    ends: frozenset[tuple[str, bool]] = frozenset()
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Node:
    """Where a way has come to; `way` are the names of its steps."""

    order: Escrow | None
    book: Book
    now: datetime
    known: Known
    way: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[Any, ...]:
        """What the rest of the way depends on."""
        return self.order, frozenset(self.book.rows().items()), self.now, self.known


class Broken(AssertionError):
    """A way on which something is not as it must be."""

    def __init__(self, node: Node, what: str) -> None:
        super().__init__(f"{' → '.join(node.way)}: {what}")


def beginning(story: Story) -> Node:
    """Where a story has come to."""
    state = story.folding.state("escrow", ID)
    ends = {
        (each.id, each.standing is Standing.SUCCEEDED)
        for each in (state.operations if state else ())
        if each.standing is not Standing.SENT
    }
    asked = {each.operation_id for each in story.folding.sent if isinstance(each, QueryOperation)}
    return Node(state, story.book.copy(), story.folding.now, Known(frozenset(ends), frozenset(asked)))


def explore(start: Node, depth: int, more: dict[str, Message] | None = None) -> int:
    """Takes every way of up to `depth` steps and checks every node; returns how many steps were taken. Raises
    `Broken`, naming a shortest way."""
    said = SAID | (more or {})
    level, seen, taken = [start], {start.identity}, 0
    for _ in range(depth):
        reached: list[Node] = []
        for node in level:
            for name, message, known in steps(node, said):
                taken += 1
                after = _step(node, name, message, known)
                if after is not None and after.identity not in seen:
                    seen.add(after.identity)
                    reached.append(after)
        level = reached
    return taken


def steps(node: Node, said: dict[str, Message]) -> Iterator[tuple[str, Message | TimeUp, Known]]:
    """Everything that may come next, and what is known then."""
    for name, message in said.items():
        yield name, message, node.known
    if node.order is None:
        return
    due = earliest(node.order)[0]
    if due is not None:
        yield "time passes", TimeUp(DEADLINE, due), node.known
    ends = dict(node.known.ends)
    for each in node.order.operations:
        for success in (True, False) if each.id not in ends else (ends[each.id],):
            known = Known(node.known.ends | {(each.id, success)}, node.known.asked)
            yield from _answers(node, each, success, known)
        if each.id in node.known.asked and each.id not in ends and each.kind is not OperationKind.CLAIM:
            lost = OperationNotFound(operation_id=each.id, reference=ID)
            yield f"{each.id} was never seen", lost, node.known
        yield f"an operator retries {each.id}", _retry(each), node.known


def _answers(node: Node, each: Operation, success: bool, known: Known) -> Iterator[tuple[str, Message, Known]]:
    assert node.order is not None
    currency = node.order.settlement if each.kind is OperationKind.PAYOUT else node.order.presentment
    amount = Money(amount=each.amount, currency=currency)
    about: dict[str, Any] = {"operation_id": each.id, "reference": ID}
    if each.kind is OperationKind.CLAIM:
        part = Money(amount=each.amount if success else each.amount // 3, currency=currency)
        claimed = DepositClaimed(seller_id="s-1", claim_id=each.id, order_id=ID, asked=amount, paid=part)
        yield f"the deposit pays {part}", claimed, known
        return
    message: Message
    match each.kind, success:
        case OperationKind.PAYOUT, True:
            message = PayoutSucceeded(**about, amount=amount)
        case OperationKind.PAYOUT, False:
            message = PayoutFailed(**about, reason="account_closed")
        case _, True:
            message = RefundSucceeded(**about, amount=amount)
        case _:
            message = RefundFailed(**about, reason="card_expired")
    result = OperationResult.SUCCEEDED if success else OperationResult.FAILED
    yield f"{each.id} {result}", message, known
    yield f"an operator finds {each.id} {result}", _record(each, result), known
    if each.kind is OperationKind.REFUND and not success:
        yield f"an operator finds {each.id} paid by the bank", _record(each, OperationResult.BY_BANK), known


def _retry(each: Operation) -> Message:
    return RetryOperation(actor=OPERATOR, order_id=ID, operation_id=each.id)


def _record(each: Operation, result: OperationResult) -> Message:
    return RecordOperationResult(actor=OPERATOR, order_id=ID, operation_id=each.id, result=result)


def _step(node: Node, name: str, message: Message | TimeUp, known: Known) -> Node | None:
    now = max(node.now, message.due_at) if isinstance(message, TimeUp) else node.now
    way = (*node.way, name)
    try:
        outcome = decide(node.order, message, now, lambda *_: None)
    except Refused:
        return None
    order = outcome.state or node.order
    book = node.book.copy()
    book.apply_all([("cause", posting) for posting in outcome.postings])
    asked = {each.operation_id for each in outcome.messages if isinstance(each, QueryOperation)}
    after = Node(order, book, now, Known(known.ends | _never_sent(node, outcome), known.asked | asked), way)
    if order is not None and order.tranches:
        _check(after, order, [each for each in outcome.messages if isinstance(each, RefundPayment)])
    return after


def _never_sent(before: Node, outcome: Outcome[Escrow]) -> frozenset[tuple[str, bool]]:
    """New operations that were kept back: the provider cannot make what it never hears of."""
    old = {each.id for each in before.order.operations} if before.order else set()
    new = {each.id for each in outcome.state.operations} - old if outcome.state else set()
    sent = {getattr(each, "operation_id", getattr(each, "claim_id", "")) for each in outcome.messages}
    return frozenset((id, False) for id in new - sent)


def _check(after: Node, order: Escrow, refunds_sent: list[RefundPayment]) -> None:
    """What is true after every step of every way (E13)."""
    for finding in after.book.check():
        raise Broken(after, str(finding))
    for broken in invariants(order):
        raise Broken(after, broken)
    for tranche in order.tranches:
        account = Account(Kind.HOLD, f"{ID}/{tranche.line_no}", order.presentment)
        if after.book.balance(account) != held(tranche):
            raise Broken(after, f"the hold has {after.book.balance(account)}, not {held(tranche)}")
    live = sum(
        each.amount
        for each in order.operations
        if each.kind is OperationKind.REFUND and each.standing in (Standing.SENT, Standing.SUCCEEDED)
    )
    funded = sum(tranche.presented for tranche in order.tranches)
    if live > funded:
        raise Broken(after, f"two refunds: {live} of {funded} may reach the buyer")
    if refunds_sent and open_chargeback(order):
        raise Broken(after, f"{refunds_sent[0].operation_id} is sent while the bank has the money")
    taken = sum(each.amount for each in order.chargebacks if each.received and not each.reversed)
    if live + taken > funded and not any(each.code.startswith("chargeback") for each in order.concerns):
        raise Broken(after, f"{live} refunded beside {taken} charged back, and no operator knows")
