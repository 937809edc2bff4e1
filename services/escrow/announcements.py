"""What the rows of the table tell others: orders, disputes, identity, and the operators."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from contracts.disputes import DisputeOpened
from contracts.escrow import (
    ChargebackRecorded,
    DisputeLapsed,
    DisputeNotAdmitted,
    FundsHeld,
    FundsSecured,
    LinesRested,
    OperatorNeeded,
    OrderUnderReview,
    Outcome,
    ReceiptReminderDue,
    ShipmentReminderDue,
)
from contracts.identity import ScreenOrder
from contracts.message import Message
from contracts.money import Money
from contracts.orders import HeldLine
from contracts.payments import ChargebackReceived
from escrow.effects import Effects, act
from escrow.operations import ESCROW
from escrow.process import Act
from escrow.state import PAID, Concern, Escrow, Group, State, at_rest, carried, every_line, legs, lines_of, mark
from runtime.decision import TimeUp


@act
def announce_funds_held(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """tell disputes that there is an order"""
    lines = tuple(
        HeldLine(
            line_no=tranche.line_no,
            category=tranche.category,
            price=Money(amount=tranche.price, currency=order.settlement),
            presented=Money(amount=tranche.presented, currency=order.presentment),
        )
        for tranche in group
    )
    return Effects(
        order,
        (FundsHeld(order_id=order.order_id, buyer_id=order.buyer_id, seller_id=order.seller_id, lines=lines),),
    )


@act
def ask_for_screening(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """ask identity whether the order may go on"""
    total = Money(amount=sum([tranche.presented for tranche in group]), currency=order.presentment)
    return Effects(order, (ScreenOrder(actor=ESCROW, person_id=order.buyer_id, order_id=order.order_id, total=total),))


@act
def remember_stop(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """note that identity stopped it"""
    return Effects(replace(order, stopped=True))


@act
def announce_review(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """say until when it is under review"""
    return Effects(order, (OrderUnderReview(order_id=order.order_id, until=_deadline(group, now)),))


@act
def announce_funds_secured(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """tell the seller to ship, and by when"""
    return Effects(
        order,
        (FundsSecured(order_id=order.order_id, seller_id=order.seller_id, ship_by=_deadline(group, now)),),
    )


@act
def remind_seller(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """remind the seller to ship"""
    return Effects(
        order,
        (ShipmentReminderDue(order_id=order.order_id, seller_id=order.seller_id, ship_by=_deadline(group, now)),),
    )


@act
def remind_buyer(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """remind the buyer to confirm or dispute"""
    return Effects(
        order,
        (ReceiptReminderDue(order_id=order.order_id, buyer_id=order.buyer_id, confirm_by=_deadline(group, now)),),
    )


@act
def open_case(order: Escrow, group: Group, message: DisputeOpened, now: datetime) -> Effects:
    """note the case"""
    return Effects(mark(order, lines_of(group), dispute_id=message.dispute_id, disputed_at=now))


def decline(code: str) -> Act:
    """The case that was opened is none for these lines; disputes closes it."""

    def run(order: Escrow, group: Group, message: DisputeOpened, now: datetime) -> Effects:
        return Effects(order, (_not_admitted(order, message.dispute_id, lines_of(group), code),))

    return Act(run, f"the case is not admitted ({code})")


def close_case(code: str) -> Act:
    """The open case of these lines, if there is one, has become pointless; disputes closes it."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        return Effects(order, tuple(_not_admitted(order, case, lines, code) for case, lines in _by_case(group).items()))

    return Act(run, f"close the case ({code})")


@act
def lapse(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
    """tell disputes that the case lapsed"""
    return Effects(
        order,
        tuple(
            DisputeLapsed(order_id=order.order_id, dispute_id=case, lines=lines)
            for case, lines in _by_case(group).items()
        ),
    )


@act
def announce_chargeback(order: Escrow, group: Group, message: ChargebackReceived, now: datetime) -> Effects:
    """tell everyone that the bank took the lines out of the case"""
    return Effects(
        order,
        (
            ChargebackRecorded(
                order_id=order.order_id,
                chargeback_id=message.chargeback_id,
                lines=lines_of(group),
                amount=message.amount,
            ),
        ),
    )


def rest(outcome: Outcome) -> Act:
    """These lines are final; the event says whether the whole order is."""

    def run(order: Escrow, group: Group, message: Message, now: datetime) -> Effects:
        rested = LinesRested(
            order_id=order.order_id, lines=lines_of(group), outcome=outcome, order_at_rest=at_rest(order)
        )
        return Effects(order, (rested,))

    return Act(run, f"the line rests ({outcome.value.replace('_', ' ')})")


def ask_operator(code: str) -> Act:
    """Puts the lines into the operators' queue, under what the message is about or what is unanswered or failed."""

    def run(order: Escrow, group: Group, message: Message | TimeUp, now: datetime) -> Effects:
        waits = all(tranche.state is State.WITH_OPERATOR for tranche in group)
        effects = Effects(order)
        for about, lines in _subjects(order, group, message).items():
            asked = concern(effects.order, about, code, lines, now, waits=waits)
            effects = Effects(asked.order, (*effects.messages, *asked.messages))
        return effects

    return Act(run, f"ask an operator ({code})")


@act
def ask_if_paid_already(order: Escrow, group: Group, message: ChargebackReceived, now: datetime) -> Effects:
    """ask an operator where the seller has the money already (chargeback_after_release)"""
    paid = lines_of(each for each in group if each.released_at is not None)
    return concern(order, message.chargeback_id, "chargeback_after_release", paid, now) if paid else Effects(order)


def concern(
    order: Escrow, about: str, code: str, lines: Iterable[int], now: datetime, *, waits: bool = False
) -> Effects:
    """A new entry of the operators' queue with its `OperatorNeeded`; nothing when it was asked before, unless the
    lines have come back to wait for it."""
    same = next((each for each in order.concerns if (each.operation_id, each.code) == (about, code)), None)
    if same and (same.open or not waits):
        return Effects(order)
    others = tuple(each for each in order.concerns if each is not same)
    new = Concern(about, code, tuple(lines) or every_line(order), now, waits=waits)
    needed = OperatorNeeded(order_id=order.order_id, lines=new.lines, operation_id=about, code=code)
    return Effects(replace(order, concerns=(*others, new)), (needed,))


def _subjects(order: Escrow, group: Group, message: Message | TimeUp) -> dict[str, tuple[int, ...]]:
    if isinstance(message, TimeUp):
        unanswered = (leg for each in group for leg in legs(order, each) if leg.standing not in PAID)
        return {leg.id: carried(order, leg) for leg in unanswered}
    about = getattr(message, "operation_id", None) or getattr(message, "chargeback_id", order.order_id)
    return {str(about): lines_of(group)}


def _by_case(group: Group) -> dict[str, tuple[int, ...]]:
    cases: dict[str, tuple[int, ...]] = {}
    for tranche in group:
        if tranche.dispute_id is not None:
            cases[tranche.dispute_id] = (*cases.get(tranche.dispute_id, ()), tranche.line_no)
    return cases


def _not_admitted(order: Escrow, case: str, lines: tuple[int, ...], code: str) -> DisputeNotAdmitted:
    return DisputeNotAdmitted(order_id=order.order_id, dispute_id=case, lines=lines, code=code)


def _deadline(group: Group, now: datetime) -> datetime:
    return min([tranche.deadline_at for tranche in group if tranche.deadline_at], default=now)
