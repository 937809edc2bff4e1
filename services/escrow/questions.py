"""The questions the table asks of a line. Each answers with one of a closed set, and each answer has its branch."""

from datetime import datetime, timedelta
from enum import StrEnum

from contracts import orders
from contracts.disputes import DisputeOpened, DisputeResolved, LineRuling, Verdict
from contracts.escrow import OperationResult, RecordOperationResult, RetryOperation, Why
from contracts.message import Message
from contracts.money import share
from contracts.orders import OrderDelivered, OrderUndelivered, ReceiptConfirmed
from escrow import policy
from escrow.policy import Undelivered
from escrow.state import PAID, Escrow, OperationKind, Standing, Tranche, legs, open_chargeback, operation, withheld


class Whereabouts(StrEnum):
    """Where a line's money is, and so where it can be taken from."""

    HELD = "held"
    OWED = "owed"
    PAID = "paid"


class Fate(StrEnum):
    """What a parcel that does not arrive means for a line."""

    BACK = "back"
    LOST = "lost"
    ANOTHER = "another"


class Claimable(StrEnum):
    """Whether a case may be opened after the release."""

    OPEN = "open"
    OVER = "over"
    RULED = "ruled"
    CHARGED_BACK = "charged_back"


class Overdue(StrEnum):
    """What to do when a deadline for the provider is over."""

    SEND_AGAIN = "send_again"
    ASK = "ask"
    GIVE_UP = "give_up"
    BANK_HAS_IT = "bank_has_it"


class Ending(StrEnum):
    """Where an answer brings a line that stood with an operator."""

    RELEASED = "released"
    REFUNDED = "refunded"
    SETTLED = "settled"
    OTHER_LEG = "other_leg"
    FAILED = "failed"


class Errand(StrEnum):
    """What an operator's retry sends again."""

    PAYOUT = "payout"
    REFUND = "refund"
    BOTH = "both"
    CLAIM = "claim"
    UNANSWERED = "unanswered"
    BANK_HAS_IT = "bank_has_it"


def was_stopped(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """did identity stop the order before?"""
    return order.stopped


def no_delivery(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> Undelivered:
    """what does the carrier's silence mean?"""
    return policy.undelivered(order, tranche)


def its_parcel(order: Escrow, tranche: Tranche, message: OrderDelivered | OrderUndelivered, now: datetime) -> bool:
    """is it the parcel the line was sent in?"""
    return tranche.tracking_number in (None, message.tracking_number)


def fate(order: Escrow, tranche: Tranche, message: OrderUndelivered, now: datetime) -> Fate:
    """what became of the line's parcel?"""
    if not its_parcel(order, tranche, message, now):
        return Fate.ANOTHER
    return Fate.BACK if message.why is orders.Undelivered.RETURNED else Fate.LOST


def refunded_unshipped(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """was it refunded because nobody had heard of a shipment?"""
    return tranche.why is Why.NOT_SHIPPED


def confirmed_despite_case(order: Escrow, tranche: Tranche, message: ReceiptConfirmed, now: datetime) -> bool:
    """did the buyer confirm after opening the case?"""
    return tranche.disputed_at is not None and message.confirmed_at > tranche.disputed_at


def whereabouts(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> Whereabouts:
    """where is the money?"""
    if tranche.released_at is None:
        return Whereabouts.HELD
    return Whereabouts.OWED if payout_bounced(order, tranche, message, now) else Whereabouts.PAID


def payout_bounced(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """is the payout known to have failed, so that the money is still here?"""
    payout = operation(order, tranche.payout_id)
    return payout is not None and payout.standing is Standing.FAILED


def claimable(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> Claimable:
    """may a case be opened after the release?"""
    if open_chargeback(order):
        return Claimable.CHARGED_BACK
    if tranche.why in (Why.RULING, Why.NOT_RETURNED):
        return Claimable.RULED
    if tranche.released_at is None or now > tranche.released_at + policy.after_release(order, tranche):
        return Claimable.OVER
    return Claimable.OPEN


def ruling_of(tranche: Tranche, message: DisputeResolved) -> LineRuling:
    """The ruling of this line; the first, should a message name the line twice."""
    return next(ruling for ruling in message.rulings if ruling.line_no == tranche.line_no)


def buyers_share(tranche: Tranche, message: Message) -> int:
    """What the message gives the buyer of this line, in presentment minor units: by a split its part, rounded down;
    by anything else all of it."""
    if isinstance(message, DisputeResolved):
        ruling = ruling_of(tranche, message)
        if ruling.buyer_basis_points is not None:
            return share(tranche.presented, ruling.buyer_basis_points)
    return tranche.presented


def verdict(order: Escrow, tranche: Tranche, message: DisputeResolved, now: datetime) -> Verdict:
    """what was ruled? (a split that rounds to nothing for the buyer is a release)"""
    ruled = ruling_of(tranche, message).verdict
    if ruled is Verdict.SPLIT and buyers_share(tranche, message) == 0:
        return Verdict.RELEASE
    return ruled


def return_under_way(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """did the buyer send the goods back?"""
    return tranche.return_shipped


def tries_left(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """is another try left?"""
    return tranche.tries <= len(policy.of(order).back_off)


def queries_left(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """may the question be repeated?"""
    return tranche.queries < policy.of(order).queries


def overdue(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> Overdue:
    """did the operation fail, or is its answer missing?"""
    waiting = [leg for leg in legs(order, tranche) if leg.standing not in PAID]
    if any(leg.standing is Standing.FAILED and not withheld(order, leg) for leg in waiting):
        return Overdue.SEND_AGAIN if tries_left(order, tranche, message, now) else Overdue.GIVE_UP
    if all(withheld(order, leg) for leg in waiting):
        return Overdue.BANK_HAS_IT
    return Overdue.ASK if queries_left(order, tranche, message, now) else Overdue.GIVE_UP


def all_paid(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """have both buyer and seller been paid?"""
    return all(leg.standing in PAID for leg in legs(order, tranche))


def whole_line(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> bool:
    """does the buyer get the whole line?"""
    return tranche.to_buyer == tranche.presented


def ending(order: Escrow, tranche: Tranche, message: Message, now: datetime) -> Ending:
    """what does the answer bring the line to?"""
    if isinstance(message, RecordOperationResult) and message.result is OperationResult.FAILED:
        return Ending.FAILED
    if not all_paid(order, tranche, message, now):
        return Ending.OTHER_LEG
    if tranche.to_buyer == 0:
        return Ending.RELEASED
    return Ending.REFUNDED if whole_line(order, tranche, message, now) else Ending.SETTLED


def errand(order: Escrow, tranche: Tranche, message: RetryOperation, now: datetime) -> Errand:
    """which operation is it, and is it known to have failed?"""
    named = operation(order, message.operation_id)
    if named and named.kind is OperationKind.CLAIM:
        return Errand.CLAIM
    if named is None or named.standing is not Standing.FAILED:
        return Errand.UNANSWERED
    if withheld(order, named):
        return Errand.BANK_HAS_IT
    if 0 < tranche.to_buyer < tranche.presented:
        return Errand.BOTH
    return Errand.PAYOUT if named.kind is OperationKind.PAYOUT else Errand.REFUND


def owned(order: Escrow, tranche: Tranche, dispute_id: str) -> bool:
    """Whether this case is the line's own: open on it, or about to be opened when the line has moved."""
    return tranche.dispute_id == dispute_id or any(
        kept.type == DisputeOpened.CE_TYPE and kept.key == dispute_id and tranche.line_no in kept.lines
        for kept in order.kept
    )


def remaining(tranche: Tranche, now: datetime) -> int:
    """Whole seconds the line's clock has left."""
    return max(0, int((tranche.deadline_at - now) / timedelta(seconds=1))) if tranche.deadline_at else 0
