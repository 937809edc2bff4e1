"""What a message means for the order before any line moves: which lines it concerns, and what holds for the order as a
whole, such as the answer to an operation or the money a bank took. What was heard before is recognised here and has
no second effect, however late it comes again."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from contracts.deposits import DepositClaimed
from contracts.disputes import (
    DisputeOpened,
    DisputeResolved,
    DisputeWithdrawn,
    ReplacementShipped,
    ReturnReceived,
    ReturnShipped,
)
from contracts.escrow import DisputeNotAdmitted, OperationResult, RecordOperationResult, RetryOperation
from contracts.message import Message, Role
from contracts.orders import LatePaymentReceived, OrderCancelled, OrderPaid, ReceiptConfirmed
from contracts.payments import (
    ChargebackReceived,
    ChargebackReversed,
    OperationNotFound,
    PayoutFailed,
    PayoutSucceeded,
    RefundFailed,
    RefundSucceeded,
)
from escrow import money, policy
from escrow.announcements import concern
from escrow.process import ReminderDue
from escrow.questions import owned
from escrow.state import (
    PAID,
    Chargeback,
    Escrow,
    Kept,
    Operation,
    OperationKind,
    Standing,
    Tranche,
    carried,
    change,
    every_line,
    mark,
    open_chargeback,
    operation,
    tranches_of,
    with_operation,
    withheld,
)
from ledger.postings import Posting
from runtime.decision import Refused, TimeUp


class Heard(Struct, frozen=True, gc=False):
    """The order as it is with this known, the lines that now look into the table, and what is due in any case.
    `note` says why no line is concerned."""

    order: Escrow
    lines: Iterable[int] = ()
    messages: tuple[Message, ...] = ()
    postings: tuple[Posting, ...] = ()
    note: str = ""


def begin(message: OrderPaid | LatePaymentReceived) -> Escrow:
    """The order as paid, every line in START. ValueError when its lines are not of one currency on either side, or a
    line comes twice: such a payment cannot be held and is to be looked at before anything else happens to the order."""
    settlement = {line.price.currency for line in message.lines}
    presentment = {line.presented.currency for line in message.lines}
    if len(settlement) > 1 or len(presentment) > 1:
        raise ValueError(f"order {message.order_id}: lines in several currencies, {settlement} and {presentment}")
    if len({line.line_no for line in message.lines}) < len(message.lines):
        raise ValueError(f"order {message.order_id}: a line number comes twice")
    return Escrow(
        order_id=message.order_id,
        buyer_id=message.buyer_id,
        seller_id=message.seller_id,
        buyer_country=message.buyer_country,
        seller_country=message.seller_country,
        method=message.method.value,
        settlement=settlement.pop(),
        presentment=presentment.pop(),
        policy=policy.valid_at(message.paid_at).version,
        payments=(message.paid_at.astimezone(UTC),),
        tranches=tuple(
            [
                Tranche(
                    line_no=line.line_no,
                    category=line.category,
                    price=line.price.amount,
                    presented=line.presented.amount,
                )
                for line in message.lines
            ]
        ),
    )


def remember(before: Escrow | None, message: ChargebackReceived | ChargebackReversed) -> Escrow:
    """An order of which nothing is known but what its buyer's bank did: the provider's news and the order's own come by
    different topics, in any order. If the reference is a seller's deposit, nothing more ever comes."""
    new = Kept(message.CE_TYPE, message.key, message.model_dump_json(), ())
    if before is not None:
        return replace(before, kept=(*before.kept, new))
    return Escrow(
        order_id=message.reference,
        buyer_id="",
        seller_id="",
        buyer_country="",
        seller_country="",
        method="",
        settlement="",
        presentment="",
        policy="",
        tranches=(),
        kept=(new,),
    )


def hear(order: Escrow, message: Any, now: datetime) -> Heard:
    """What the message means for a known order; `Refused` for a command that cannot be meant."""
    listen = HEARING.get(type(message))
    return listen(order, message, now) if listen else Heard(order, every_line(order))


def _payment(order: Escrow, message: OrderPaid | LatePaymentReceived, now: datetime) -> Heard:
    if message.paid_at in order.payments:
        return Heard(order, note="this payment is held already")
    return Heard(replace(order, payments=(*order.payments, message.paid_at.astimezone(UTC))), every_line(order))


def _cancelled(order: Escrow, message: OrderCancelled, now: datetime) -> Heard:
    return Heard(order, every_line(order)) if message.paid else Heard(order, note="cancelled before it was paid")


def _confirmed(order: Escrow, message: ReceiptConfirmed, now: datetime) -> Heard:
    lines = message.lines or every_line(order)
    return Heard(order, lines, note="" if set(lines) & set(every_line(order)) else "no such line")


def _opened(order: Escrow, message: DisputeOpened, now: datetime) -> Heard:
    if message.dispute_id in order.cases:
        return Heard(order, note="this case is known already")
    unknown = tuple(line for line in message.lines if line not in every_line(order))
    answer = DisputeNotAdmitted(
        order_id=order.order_id, dispute_id=message.dispute_id, lines=unknown or message.lines, code="unknown_line"
    )
    return Heard(replace(order, cases=(*order.cases, message.dispute_id)), message.lines, (answer,) if unknown else ())


def _case(
    order: Escrow, message: DisputeWithdrawn | ReturnShipped | ReturnReceived | ReplacementShipped, now: datetime
) -> Heard:
    return _of_case(order, message.dispute_id, message.lines)


def _ruled(order: Escrow, message: DisputeResolved, now: datetime) -> Heard:
    return _of_case(order, message.dispute_id, [ruling.line_no for ruling in message.rulings])


def _of_case(order: Escrow, dispute_id: str, named: Iterable[int]) -> Heard:
    lines = [each.line_no for each in order.tranches if each.line_no in named and owned(order, each, dispute_id)]
    return Heard(order, lines, note="" if lines else "this case is not open on any of these lines")


def _succeeded(order: Escrow, message: PayoutSucceeded | RefundSucceeded, now: datetime) -> Heard:
    kind = OperationKind.PAYOUT if isinstance(message, PayoutSucceeded) else OperationKind.REFUND
    asked = operation(order, message.operation_id)
    if asked is None or asked.kind is not kind:
        return Heard(order, note="no such operation")
    heard = _success(order, asked, now)
    expected = order.settlement if kind is OperationKind.PAYOUT else order.presentment
    if (message.amount.amount, message.amount.currency) == (asked.amount, expected):
        return heard
    differs = concern(heard.order, asked.id, "result_amount_differs", asked.lines, now)
    return replace(heard, order=differs.order, messages=(*heard.messages, *differs.messages))


def _failed(order: Escrow, message: PayoutFailed | RefundFailed, now: datetime) -> Heard:
    kind = OperationKind.PAYOUT if isinstance(message, PayoutFailed) else OperationKind.REFUND
    asked = operation(order, message.operation_id)
    if asked is None or asked.kind is not kind:
        return Heard(order, note="no such operation")
    return _failure(order, asked, now)


def _success(order: Escrow, asked: Operation, now: datetime) -> Heard:
    """A success after a failure is believed while nothing was sent in its place; else both may have paid."""
    lines = carried(order, asked)
    if asked.standing is Standing.SUCCEEDED:
        return Heard(order, note="known already")
    if asked.standing is Standing.BY_BANK or (asked.standing is Standing.FAILED and lines != asked.lines):
        return _contradiction(order, asked, now)
    match asked.kind, asked.standing:
        case OperationKind.PAYOUT, Standing.SENT:
            postings = money.payout_succeeded(order, asked)
        case OperationKind.PAYOUT, _:
            postings = money.payout_succeeded_after_all(order, asked)
        case _:
            postings = money.refund_succeeded(order, asked)
    return Heard(with_operation(order, replace(asked, standing=Standing.SUCCEEDED)), lines, (), postings)


def _failure(order: Escrow, asked: Operation, now: datetime) -> Heard:
    if asked.standing in (Standing.FAILED, Standing.BY_BANK):
        return Heard(order, note="known already")
    if asked.standing is Standing.SUCCEEDED:
        return _contradiction(order, asked, now)
    lines = carried(order, asked)
    failed = with_operation(order, replace(asked, standing=Standing.FAILED))
    postings = money.payout_failed(asked) if asked.kind is OperationKind.PAYOUT else ()
    return Heard(change(failed, lines, lambda tranche: replace(tranche, tries=tranche.tries + 1)), lines, (), postings)


def _contradiction(order: Escrow, asked: Operation, now: datetime) -> Heard:
    effects = concern(order, asked.id, "result_contradicts", asked.lines, now)
    return Heard(effects.order, (), tuple(effects.messages), (), "the provider contradicts itself")


def _not_found(order: Escrow, message: OperationNotFound, now: datetime) -> Heard:
    asked = operation(order, message.operation_id)
    if asked is None or asked.standing is not Standing.SENT or asked.kind is OperationKind.CLAIM:
        return Heard(order, note="nothing is waited for under this operation")
    lines = carried(order, asked)
    if asked.repeats >= max((each.queries for each in tranches_of(order, lines)), default=0):
        return Heard(order, note="it was sent again since it was last asked for")
    return Heard(order, lines)


def _claimed(order: Escrow, message: DepositClaimed, now: datetime) -> Heard:
    asked = operation(order, message.claim_id)
    if asked is None or asked.kind is not OperationKind.CLAIM or asked.standing is not Standing.SENT:
        return Heard(order, note="no claim waits for this answer")
    answered = with_operation(order, replace(asked, standing=Standing.SUCCEEDED))
    if message.paid.currency == order.presentment:
        return Heard(answered, carried(order, asked))
    foreign = concern(answered, asked.id, "claim_currency_differs", asked.lines, now)
    return Heard(foreign.order, carried(order, asked), tuple(foreign.messages))


def _taken(order: Escrow, message: ChargebackReceived, now: datetime) -> Heard:
    """Books what the bank really took, be it the whole payment or not. The lines' holds are set against it by the
    table; what is left on the order's chargeback account is an operator's to explain."""
    known = _chargeback(order, message.chargeback_id)
    if known and known.received:
        return Heard(order, note="this chargeback is known already")
    postings = money.taken_by_bank(order, message.chargeback_id, message.amount)
    new = Chargeback(message.chargeback_id, message.amount.amount, received=True, reversed=known is not None)
    order = _with_chargeback(order, new)
    if known:
        both = (*postings, *money.returned_by_bank(order, new.id, message.amount))
        return Heard(order, (), (), both, "the bank gave it back already")
    paid = sum(tranche.presented for tranche in order.tranches)
    if (message.amount.amount, message.amount.currency) == (paid, order.presentment):
        return Heard(order, every_line(order), (), postings)
    differs = concern(order, new.id, "chargeback_amount_differs", every_line(order), now)
    return Heard(differs.order, every_line(order), tuple(differs.messages), postings)


def _given_back(order: Escrow, message: ChargebackReversed, now: datetime) -> Heard:
    """Lines go on when no bank holds money of the order back any more. A reversal that comes before its chargeback
    is remembered, and both are booked when that comes."""
    known = _chargeback(order, message.chargeback_id)
    if known and known.reversed:
        return Heard(order, note="this reversal is known already")
    if known is None:
        first = Chargeback(message.chargeback_id, message.amount.amount, reversed=True)
        return Heard(_with_chargeback(order, first), note="its chargeback is still to come")
    postings = money.returned_by_bank(order, known.id, message.amount)
    order = _with_chargeback(order, replace(known, reversed=True))
    messages: tuple[Message, ...] = ()
    if known.amount != message.amount.amount:
        differs = concern(order, known.id, "chargeback_amount_differs", every_line(order), now)
        order, messages = differs.order, tuple(differs.messages)
    if any(each.standing is Standing.BY_BANK for each in order.operations):
        late = concern(order, known.id, "chargeback_reversed_late", every_line(order), now)
        order, messages = late.order, (*messages, *late.messages)
    suspended = [each.line_no for each in order.tranches if each.chargeback_id is not None]
    if open_chargeback(order) or not suspended:
        return Heard(order, (), messages, postings, "no line goes on by it")
    return Heard(order, suspended, messages, postings)


def _with_chargeback(order: Escrow, new: Chargeback) -> Escrow:
    return replace(order, chargebacks=(*(each for each in order.chargebacks if each.id != new.id), new))


def _chargeback(order: Escrow, id: str) -> Chargeback | None:
    return next((each for each in order.chargebacks if each.id == id), None)


def _retry(order: Escrow, message: RetryOperation, now: datetime) -> Heard:
    asked = operation(order, message.operation_id)
    if asked is None:
        raise Refused("unknown_operation", f"order {order.order_id} has no operation {message.operation_id}")
    lines = carried(order, asked)
    if not lines or asked.standing in PAID:
        raise Refused("already_answered", f"{asked.id} succeeded or was sent again already; see the order's operations")
    return Heard(order, lines)


def _recorded(order: Escrow, message: RecordOperationResult, now: datetime) -> Heard:
    """What an operator found out: the answer to an operation, or the end of any other entry of the queue."""
    asked = operation(order, message.operation_id)
    answered = asked is None or not carried(order, asked) or asked.standing in PAID
    if asked is None or answered:
        return _closed(order, message.operation_id)
    if message.result is OperationResult.BY_BANK:
        return _paid_by_bank(order, asked)
    if asked.kind is OperationKind.CLAIM:
        raise Refused("claim_needs_answer", "only the deposits service answers a claim: retry it")
    if message.result is OperationResult.SUCCEEDED:
        return _success(order, asked, now)
    if asked.standing is Standing.FAILED:
        raise Refused("already_answered", f"{asked.id} is known to have failed: retry it")
    return _failure(order, asked, now)


def _paid_by_bank(order: Escrow, asked: Operation) -> Heard:
    """The refund is given up: what stood ready for it is set against what the bank took."""
    if not withheld(order, asked):
        raise Refused("no_chargeback", "only a refund known to have failed, while a chargeback stands, is the bank's")
    taken = with_operation(order, replace(asked, standing=Standing.BY_BANK))
    return Heard(taken, carried(order, asked), (), money.refund_by_bank(order, asked))


def _closed(order: Escrow, about: str) -> Heard:
    mine = [each for each in order.concerns if each.operation_id == about and each.open and not each.waits]
    if not mine:
        raise Refused("unknown_operation", f"nothing of order {order.order_id} waits for a result of {about}")
    concerns = tuple(replace(each, open=False) if each in mine else each for each in order.concerns)
    return Heard(replace(order, concerns=concerns), note="closed in the operators' queue")


def _time_up(order: Escrow, message: TimeUp, now: datetime) -> Heard:
    lines = [each.line_no for each in order.tranches if each.deadline_at and each.deadline_at <= now]
    return Heard(order, lines, note="" if lines else "no line is due")


def _reminder(order: Escrow, message: ReminderDue, now: datetime) -> Heard:
    lines = [each.line_no for each in order.tranches if each.remind_at and each.remind_at <= now]
    return Heard(mark(order, lines, remind_at=None), lines, note="" if lines else "no line is due")


def check_right(message: Any) -> None:
    """Only operators decide about operations: `Refused("forbidden")` for everyone else."""
    if type(message) in _BY_OPERATOR and message.actor.role is not Role.OPERATOR:
        raise Refused("forbidden", "only an operator decides about an operation")


_BY_OPERATOR = frozenset({RetryOperation, RecordOperationResult})

HEARING: Mapping[type, Callable[[Escrow, Any, datetime], Heard]] = {
    OrderPaid: _payment,
    LatePaymentReceived: _payment,
    OrderCancelled: _cancelled,
    ReceiptConfirmed: _confirmed,
    DisputeOpened: _opened,
    DisputeWithdrawn: _case,
    DisputeResolved: _ruled,
    ReturnShipped: _case,
    ReturnReceived: _case,
    ReplacementShipped: _case,
    PayoutSucceeded: _succeeded,
    PayoutFailed: _failed,
    RefundSucceeded: _succeeded,
    RefundFailed: _failed,
    OperationNotFound: _not_found,
    DepositClaimed: _claimed,
    ChargebackReceived: _taken,
    ChargebackReversed: _given_back,
    RetryOperation: _retry,
    RecordOperationResult: _recorded,
    TimeUp: _time_up,
    ReminderDue: _reminder,
}
"""Messages that are not here concern every line of the order."""
