"""What the rows of the table do with money: hold, release, refund, split, claim, suspend.

An action is `(order, group, message, now) -> Effects`: the group are the lines that take the row together, already in
their new state with their new deadline. Transfers are per line, an event is one for the group.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from contracts.deposits import DepositClaimed
from contracts.disputes import ReplacementShipped
from contracts.escrow import FundsReleased, RefundedLine, RefundStarted, ReleasedLine, Why
from contracts.message import Message
from contracts.money import Money
from contracts.orders import Fault, OrderCancelled, OrderShipped
from contracts.payments import ChargebackReceived, ChargebackReversed
from escrow import money
from escrow.effects import Effects, act
from escrow.operations import CLAIM, send
from escrow.process import Act
from escrow.questions import Whereabouts, buyers_share, whereabouts
from escrow.state import Escrow, Group, Tranche, change, lines_of, mark, operation
from ledger.postings import Account, Posting


@act
def hold_funds(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """hold the payment, line by line"""
    return Effects(order, (), _each(group, lambda tranche: money.fund(order, tranche)))


@act
def record_shipment(order: Escrow, group: Group, message: OrderShipped, now: datetime) -> Effects:
    """note carrier and tracking number"""
    return Effects(mark(order, lines_of(group), carrier=message.carrier, tracking_number=message.tracking_number))


@act
def record_replacement(order: Escrow, group: Group, message: ReplacementShipped, now: datetime) -> Effects:
    """note the tracking number of the replacement"""
    new = {"carrier": None, "tracking_number": message.tracking_number}
    return Effects(change(order, lines_of(group), lambda tranche: replace(_case_over(tranche), **new)))


@act
def record_return(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """note that the goods are on their way back"""
    return Effects(mark(order, lines_of(group), return_shipped=True))


def release(why: Why) -> Act:
    """The whole line to the seller, less the fee, in this decision; `FundsReleased` for the group (E7)."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        def to_seller(tranche: Tranche) -> Tranche:
            net, fee = money.divide(order, tranche, tranche.presented)
            return _decided(tranche, why, to_seller=net, fee=fee, released_at=now)

        released = tuple([to_seller(tranche) for tranche in group])
        return Effects(
            _put(order, released),
            (_funds_released(order, released),),
            _each(released, lambda tranche: money.release(order, tranche, tranche.presented, "release")),
        )

    return Act(run, f"release to the seller ({_text(why)})")


def refund(why: Why, fault: Fault) -> Act:
    """The whole line to the buyer, exactly as it was paid; `RefundStarted` for the group."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        return _refund(order, group, why, fault)

    return Act(run, f"refund the buyer ({_text(why)}, fault: {fault.value})")


@act
def refund_cancelled(order: Escrow, group: Group, message: OrderCancelled, now: datetime) -> Effects:
    """refund the buyer (cancelled, fault: whose the cancellation says)"""
    return _refund(order, group, Why.CANCELLED, message.fault)


def _refund(order: Escrow, group: Group, why: Why, fault: Fault) -> Effects:
    refunded = tuple([_decided(tranche, why, fault=fault, to_buyer=tranche.presented) for tranche in group])
    return Effects(
        _put(order, refunded),
        (_refund_started(order, refunded),),
        _each(refunded, lambda tranche: money.refund(order, tranche)),
    )


@act
def split(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """share each line as ruled: the buyer's part rounded down, the rest to the seller less the fee"""

    def shared(tranche: Tranche) -> Tranche:
        to_buyer = buyers_share(tranche, message)
        net, fee = money.divide(order, tranche, tranche.presented - to_buyer)
        return _decided(tranche, Why.RULING, to_buyer=to_buyer, to_seller=net, fee=fee, released_at=now)

    tranches = tuple(shared(tranche) for tranche in group)
    paid = tuple(tranche for tranche in tranches if tranche.to_seller)
    return Effects(
        _put(order, tranches),
        (*((_funds_released(order, paid),) if paid else ()), _refund_started(order, tranches)),
        (
            *_each(tranches, lambda t: money.release(order, t, t.presented - t.to_buyer, "split")),
            *_each(tranches, lambda t: money.refund(order, t)),
        ),
    )


@act
def undo_release(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """take the release back out of the seller's balance, by linked corrections"""
    return Effects(
        mark(order, lines_of(group), to_seller=0, fee=0, released_at=None, payout_id=None),
        (),
        _each(group, lambda tranche: money.undo_release(order, tranche)),
    )


def record_why(why: Why) -> Act:
    """The case ends and its money stays where it is; only the reason is new."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        return Effects(change(order, lines_of(group), lambda tranche: _decided(tranche, why)))

    return Act(run, f"leave the money where it is ({_text(why)})")


def claim(why: Why, fault: Fault) -> Act:
    """What the buyer won of a line whose seller was paid: ask the deposit for it, in the buyer's currency (P8)."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        won = tuple(_decided(tranche, why, fault=fault, to_buyer=buyers_share(tranche, message)) for tranche in group)
        return send(_put(order, won), CLAIM, won)

    return Act(run, f"ask the seller's deposit to pay the buyer ({_text(why)})")


@act
def refund_recovered(order: Escrow, group: Group, message: DepositClaimed, now: datetime) -> Effects:
    """refund the buyer from the deposit, and from the platform's fund what the deposit could not pay"""
    return Effects(order, (_refund_started(order, group),), _recover(order, message, money.refund_transit(order)))


@act
def cover_chargeback(order: Escrow, group: Group, message: DepositClaimed, now: datetime) -> Effects:
    """set what deposit and fund pay against what the bank took"""
    return Effects(order, (), _recover(order, message, money.suspense(order, order.presentment)))


@act
def suspend(order: Escrow, group: Group, message: ChargebackReceived, now: datetime) -> Effects:
    """set what is held against what the bank took"""
    suspended = tuple(replace(tranche, chargeback_id=message.chargeback_id) for tranche in group)
    held = _held(order, suspended, message, now)
    return Effects(_put(order, suspended), (), _each(held, lambda tranche: money.suspend(order, tranche)))


@act
def give_up_hold(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """set it against what the bank took"""
    return Effects(order, (), _each(group, lambda tranche: money.suspend(order, tranche)))


@act
def restore(order: Escrow, group: Group, message: ChargebackReversed, now: datetime) -> Effects:
    """hold what the bank gave back"""
    held = _held(order, group, message, now)
    return Effects(
        mark(order, lines_of(group), chargeback_id=None),
        (),
        _each(held, lambda tranche: money.restore(order, tranche)),
    )


@act
def end_case(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """the case is over"""
    return Effects(change(order, lines_of(group), _case_over))


_NO_CASE = {"dispute_id": None, "disputed_at": None, "return_shipped": False}


def _case_over(tranche: Tranche) -> Tranche:
    return replace(tranche, **_NO_CASE)


def _decided(tranche: Tranche, why: Why, **decided: Any) -> Tranche:
    """What every decision about a line's money sets: the reason; no case is open; tries are counted from here."""
    return replace(tranche, **_NO_CASE, why=why, tries=0, queries=0, **decided)


def _recover(order: Escrow, message: DepositClaimed, into: Account) -> tuple[Posting, ...]:
    asked = operation(order, message.claim_id)
    if asked is None:
        return ()
    return money.recover(order, asked, money.paid_by_deposit(order, asked, message.paid), into)


def _held(order: Escrow, group: Group, message: Message, now: datetime) -> Group:
    return tuple(each for each in group if whereabouts(order, each, message, now) is Whereabouts.HELD)


def _funds_released(order: Escrow, released: Group) -> FundsReleased:
    return FundsReleased(
        order_id=order.order_id,
        seller_id=order.seller_id,
        lines=tuple(
            ReleasedLine(
                line_no=tranche.line_no,
                net=Money(amount=tranche.to_seller, currency=order.settlement),
                fee=Money(amount=tranche.fee, currency=order.settlement),
            )
            for tranche in released
        ),
        why=released[0].why or Why.CONFIRMED,
    )


def _refund_started(order: Escrow, refunded: Group) -> RefundStarted:
    return RefundStarted(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        lines=tuple(
            RefundedLine(line_no=tranche.line_no, amount=Money(amount=tranche.to_buyer, currency=order.presentment))
            for tranche in refunded
        ),
        why=refunded[0].why or Why.RULING,
        fault=refunded[0].fault,
    )


def _put(order: Escrow, changed: Group) -> Escrow:
    by_line = {tranche.line_no: tranche for tranche in changed}
    return replace(order, tranches=tuple([by_line.get(each.line_no, each) for each in order.tranches]))


def _each(group: Group, movement: Callable[[Tranche], tuple[Posting, ...]]) -> tuple[Posting, ...]:
    return tuple([posting for tranche in group for posting in movement(tranche)])


def _text(why: Why) -> str:
    return why.value.replace("_", " ")
