"""What becomes of a case: opened, withdrawn or ruled, then a return or a replacement if the ruling says so. Pure.

A case is an aggregate of its own and does not see the other cases of its order, nor the order's clock. Escrow sees
both, in one order for all: it takes a case or answers `DisputeNotAdmitted` for the lines it does not take, with the
reason (`already_disputed`, window over, refunded …). Those lines leave the case, and with the last one it closes.
So two cases opened at once about one line are both accepted here, and escrow lets the first one in.

Escrow's word wins over what crossed it on the way. A ruling of lines that escrow had already taken out moves nothing
there; when the news arrives here, those lines leave the case, ruled or not.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from contracts.carrier import TrackParcel
from contracts.disputes import (
    ConfirmReturn,
    DisputeOpened,
    DisputeResolved,
    DisputeWithdrawn,
    LineRuling,
    OpenDispute,
    ReplacementShipped,
    ReturnReceived,
    ReturnShipped,
    RuleDispute,
    ShipReplacement,
    ShipReturn,
    Verdict,
    WithdrawDispute,
)
from contracts.escrow import DisputeLapsed, DisputeNotAdmitted, FundsHeld
from contracts.message import Actor, Role
from disputes.case import (
    Case,
    CaseLine,
    Happened,
    HeldOrder,
    Leg,
    LegState,
    Status,
    lines_with,
    open_lines,
    standing,
)
from disputes.policy import policy_at, policy_of
from disputes.rules import admit, not_found
from runtime.decision import Look, Outcome, Refused, Timer, TimeUp

DISPUTES: Final = Actor(id="disputes", role=Role.SERVICE)

RETURN, REPLACEMENT = "return", "replacement"
"""Names of the timers of the two legs."""

DISPUTE_ID_LIMIT = 40
"""Characters. Ids of claims and payments are made of the dispute id and must stay within the 64 of an id."""


def hold(order: HeldOrder | None, event: FundsHeld, now: datetime, look: Look) -> Outcome[HeldOrder]:
    """An order became one that can be disputed."""
    if order is not None:
        return Outcome(note="the order is known")
    lines = tuple(line.line_no for line in event.lines)
    return Outcome(HeldOrder(event.order_id, event.buyer_id, event.seller_id, lines))


def open_case(existing: Case | None, command: OpenDispute, now: datetime, look: Look) -> Outcome[Case]:
    """Opens a case (D1), or raises `Refused`: forbidden, already_exists, invalid_dispute_id, not_found (no such order
    of this buyer), duplicate_line, unknown_line."""
    actor = command.actor
    if actor.role not in (Role.BUYER, Role.SUPPORT):
        raise Refused("forbidden", f"the role {actor.role} may not open a dispute; the buyer does, or support for them")
    if existing is not None:
        raise Refused("already_exists", "a dispute with this id exists; read it, or open a new one under a new id")
    if len(command.dispute_id) > DISPUTE_ID_LIMIT:
        raise Refused("invalid_dispute_id", f"dispute ids have at most {DISPUTE_ID_LIMIT} characters")
    order: HeldOrder | None = look("held_orders", command.order_id)
    if order is None or (actor.role is Role.BUYER and actor.id != order.buyer_id):
        raise Refused("not_found", "there is no paid order with this id; check the order id")
    if len(set(command.lines)) < len(command.lines):
        raise Refused("duplicate_line", "a line is named twice; name each line once")
    if unknown := set(command.lines) - set(order.lines):
        raise Refused("unknown_line", f"the order has no line {min(unknown)}")
    policy = policy_at(now)
    case = Case(
        dispute_id=command.dispute_id,
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        seller_id=order.seller_id,
        reason=command.reason,
        lines=tuple(CaseLine(number) for number in sorted(command.lines)),
        status=Status.OPEN,
        policy=policy.version,
        opened_at=now,
        rule_by=now + policy.rule_within,
        history=(Happened(now, "opened"),),
    )
    opened = DisputeOpened(
        dispute_id=case.dispute_id,
        order_id=case.order_id,
        buyer_id=case.buyer_id,
        seller_id=case.seller_id,
        lines=open_lines(case),
        reason=case.reason,
    )
    return Outcome(case, (opened,))


def withdraw(case: Case, command: WithdrawDispute, now: datetime) -> Outcome[Case]:
    """The buyer withdraws; the order goes on where it was (D7)."""
    admit(case, command, now)
    event = DisputeWithdrawn(dispute_id=case.dispute_id, order_id=case.order_id, lines=open_lines(case))
    return Outcome(_record(case, now, "withdrawn", status=Status.WITHDRAWN), (event,))


def rule(case: Case, command: RuleDispute, now: datetime) -> Outcome[Case]:
    """A mediator rules every line that is still in the case, once (D5)."""
    admit(case, command, now)
    rulings = _by_line(case, command.rulings)
    lines = tuple(
        replace(line, verdict=said.verdict, buyer_basis_points=said.buyer_basis_points)
        if (said := rulings.get(line.line_no))
        else line
        for line in case.lines
    )
    policy = policy_of(case.policy)
    ruled = replace(case, lines=lines)
    if lines_with(ruled, Verdict.RETURN):
        ruled = replace(ruled, return_leg=Leg(LegState.AWAITED, now + policy.ship_return_within))
    if lines_with(ruled, Verdict.REPLACE):
        ruled = replace(ruled, replacement_leg=Leg(LegState.AWAITED, now + policy.ship_replacement_within))
    event = DisputeResolved(dispute_id=case.dispute_id, order_id=case.order_id, rulings=command.rulings)
    return Outcome(_record(ruled, now, "ruled", status=standing(ruled)), (event,), _timers(case, ruled))


def _by_line(case: Case, rulings: tuple[LineRuling, ...]) -> dict[int, LineRuling]:
    by_line = {ruling.line_no: ruling for ruling in rulings}
    if len(by_line) < len(rulings):
        raise Refused("duplicate_line", "a line is ruled twice; rule each line once")
    inside = set(open_lines(case))
    if unknown := by_line.keys() - inside:
        raise Refused("unknown_line", f"line {min(unknown)} is not in this case, or escrow took it out")
    if missing := inside - by_line.keys():
        raise Refused("incomplete_ruling", f"line {min(missing)} is not ruled; rule every line of the case")
    return by_line


def ship_return(case: Case, command: ShipReturn, now: datetime) -> Outcome[Case]:
    """The buyer sent the goods back; the seller has until the deadline to confirm them (D10)."""
    admit(case, command, now)
    due_at = now + policy_of(case.policy).confirm_return_within
    leg = Leg(LegState.SHIPPED, due_at, command.carrier, command.tracking_number)
    event = ReturnShipped(dispute_id=case.dispute_id, order_id=case.order_id, lines=lines_with(case, Verdict.RETURN))
    return Outcome(_move(case, now, "return_shipped", return_leg=leg), (event,), (Timer(RETURN, due_at),))


def confirm_return(case: Case, command: ConfirmReturn, now: datetime) -> Outcome[Case]:
    """The seller has the goods back; escrow refunds."""
    admit(case, command, now)
    assert case.return_leg is not None  # `admit` passes only for a return that was shipped
    leg = replace(case.return_leg, state=LegState.RECEIVED, due_at=None)
    event = ReturnReceived(dispute_id=case.dispute_id, order_id=case.order_id, lines=lines_with(case, Verdict.RETURN))
    return Outcome(_move(case, now, "return_received", return_leg=leg), (event,), (Timer(RETURN, None),))


def ship_replacement(case: Case, command: ShipReplacement, now: datetime) -> Outcome[Case]:
    """The seller sent a replacement. The carrier follows it under the order's id, as it does every parcel of the order;
    from here on the delivery is escrow's to watch (D10)."""
    admit(case, command, now)
    leg = Leg(LegState.SHIPPED, None, command.carrier, command.tracking_number)
    event = ReplacementShipped(
        dispute_id=case.dispute_id,
        order_id=case.order_id,
        lines=lines_with(case, Verdict.REPLACE),
        tracking_number=command.tracking_number,
    )
    track = TrackParcel(
        actor=DISPUTES,
        reference=case.order_id,
        carrier=command.carrier,
        tracking_number=command.tracking_number,
    )
    moved = _move(case, now, "replacement_shipped", replacement_leg=leg)
    return Outcome(moved, (event, track), (Timer(REPLACEMENT, None),))


_LAPSES: Final[Mapping[tuple[str, LegState], str]] = {
    (RETURN, LegState.AWAITED): "not_returned",
    (RETURN, LegState.SHIPPED): "return_not_confirmed",
    (REPLACEMENT, LegState.AWAITED): "not_replaced",
}


def time_up(case: Case, timer: TimeUp, now: datetime) -> Outcome[Case]:
    """A party let its deadline pass: the step is no longer possible. What that costs whom is escrow's to say (D6)."""
    leg = {RETURN: case.return_leg, REPLACEMENT: case.replacement_leg}.get(timer.name)
    if leg is None or leg.due_at != timer.due_at:
        return Outcome(note="nothing waits for this timer")
    code = _LAPSES[timer.name, leg.state]
    lapsed = replace(leg, state=LegState.LAPSED, due_at=None)
    if timer.name == RETURN:
        return Outcome(_move(case, now, code, return_leg=lapsed, code=code))
    return Outcome(_move(case, now, code, replacement_leg=lapsed, code=code))


def not_admitted(case: Case, event: DisputeNotAdmitted, now: datetime) -> Outcome[Case]:
    """Escrow does not take these lines; the case goes on with the others."""
    if case.status is Status.WITHDRAWN:
        return Outcome(note="the buyer has withdrawn already")
    return _drop(case, event.lines, event.code, now)


def lapsed(case: Case, event: DisputeLapsed, now: datetime) -> Outcome[Case]:
    """Nobody ruled in time as escrow saw it: these lines were refunded by policy. Holds against a ruling or a
    withdrawal that crossed it."""
    return _drop(case, event.lines, "lapsed", now)


def _drop(case: Case, numbers: tuple[int, ...], code: str, now: datetime) -> Outcome[Case]:
    lines = tuple(
        replace(line, dropped=code) if line.line_no in numbers and not line.dropped else line for line in case.lines
    )
    if lines == case.lines:
        return Outcome(note="these lines are out of the case already")
    left = replace(case, lines=lines)
    if not lines_with(left, Verdict.RETURN):
        left = replace(left, return_leg=None)
    if not lines_with(left, Verdict.REPLACE):
        left = replace(left, replacement_leg=None)
    if not open_lines(left):
        left = replace(left, status=Status.CLOSED, code=code)
    elif any(line.verdict for line in lines):
        left = replace(left, status=standing(left))
    return Outcome(_record(left, now, code), timers=_timers(case, left))


def _timers(before: Case, after: Case) -> tuple[Timer, ...]:
    legs = (
        (RETURN, before.return_leg, after.return_leg),
        (REPLACEMENT, before.replacement_leg, after.replacement_leg),
    )
    due = ((name, was.due_at if was else None, now.due_at if now else None) for name, was, now in legs)
    return tuple(Timer(name, after_due) for name, before_due, after_due in due if before_due != after_due)


def _move(case: Case, now: datetime, what: str, **changes: Any) -> Case:
    moved = replace(case, **changes)
    return _record(moved, now, what, status=standing(moved))


def _record(case: Case, now: datetime, what: str, **changes: Any) -> Case:
    return replace(case, history=(*case.history, Happened(now, what)), **changes)


DECISIONS: Final[Mapping[type, Callable[[Case, Any, datetime], Outcome[Case]]]] = {
    WithdrawDispute: withdraw,
    RuleDispute: rule,
    ShipReturn: ship_return,
    ConfirmReturn: confirm_return,
    ShipReplacement: ship_replacement,
    TimeUp: time_up,
    DisputeNotAdmitted: not_admitted,
    DisputeLapsed: lapsed,
}


def decide(case: Case | None, message: Any, now: datetime, look: Look) -> Outcome[Case]:
    """The one decision of the aggregate `disputes`."""
    if isinstance(message, OpenDispute):
        return open_case(case, message, now, look)
    if case is None:
        raise not_found()
    return DECISIONS[type(message)](case, message, now)
