"""Who may ask what of a case, and in which state: two tables, and the check that reads them."""

from collections.abc import Mapping
from datetime import datetime

from contracts.disputes import ConfirmReturn, RuleDispute, ShipReplacement, ShipReturn, WithdrawDispute
from contracts.message import Command, Role
from disputes.case import Case, Leg, LegState, Status
from runtime.decision import Refused

PERMITTED: Mapping[type[Command], Role] = {
    WithdrawDispute: Role.BUYER,
    RuleDispute: Role.MEDIATOR,
    ShipReturn: Role.BUYER,
    ConfirmReturn: Role.SELLER,
    ShipReplacement: Role.SELLER,
}

# What the state of the leg says to a command about it; None: the ruling asks for no such parcel.
_RETURN_TO_SHIP = {
    None: "no_return_ruled",
    LegState.AWAITED: "",
    LegState.SHIPPED: "already_shipped",
    LegState.RECEIVED: "already_received",
    LegState.LAPSED: "deadline_passed",
}
_RETURN_TO_CONFIRM = _RETURN_TO_SHIP | {LegState.AWAITED: "return_not_shipped", LegState.SHIPPED: ""}
_REPLACEMENT_TO_SHIP = _RETURN_TO_SHIP | {None: "no_replacement_ruled"}
_ALLOWS: Mapping[type[Command], Mapping[LegState | None, str]] = {
    ShipReturn: _RETURN_TO_SHIP,
    ConfirmReturn: _RETURN_TO_CONFIRM,
    ShipReplacement: _REPLACEMENT_TO_SHIP,
}

REASONS: Mapping[str, str] = {
    "case_closed": "the case is over; a new one may be opened while the protection of the order lasts",
    "already_ruled": "a mediator has ruled; the ruling stands",
    "not_ruled": "no mediator has ruled yet; wait for the ruling",
    "no_return_ruled": "the ruling asks for no return",
    "no_replacement_ruled": "the ruling asks for no replacement",
    "already_shipped": "the parcel is on its way already",
    "already_received": "the goods came back already",
    "return_not_shipped": "the buyer has not sent the goods back yet",
    "deadline_passed": "the time for this step is over",
}


def admit(case: Case, command: Command, now: datetime) -> None:
    """Passes, or raises `Refused`: not_found for strangers, forbidden for the wrong role, else the state's own code. A
    step whose time is over is refused even where its timer is late: escrow has stopped waiting for it."""
    actor = command.actor
    if not takes_part(case, actor.role, actor.id):
        raise not_found()
    if actor.role is not PERMITTED[type(command)]:
        raise Refused("forbidden", f"the role {actor.role} may not do this")
    if actor.role is Role.MEDIATOR and actor.id in (case.buyer_id, case.seller_id):
        raise Refused("forbidden", "nobody rules a case of their own; leave it to another mediator")
    code = refusal(case, type(command))
    if not code and (leg := _leg(case, type(command))) and leg.due_at and now >= leg.due_at:
        code = "deadline_passed"
    if code:
        raise Refused(code, REASONS[code])


def refusal(case: Case, command: type[Command]) -> str:
    """The code with which the state of the case refuses a command; empty if it allows it."""
    if command in (WithdrawDispute, RuleDispute):
        over = case.status in (Status.WITHDRAWN, Status.CLOSED) and not _was_ruled(case)
        return "" if case.status is Status.OPEN else "case_closed" if over else "already_ruled"
    if not _was_ruled(case):
        return "not_ruled" if case.status is Status.OPEN else "case_closed"
    if all(line.dropped for line in case.lines):
        return "case_closed"
    leg = _leg(case, command)
    return _ALLOWS[command][leg.state if leg else None]


def takes_part(case: Case, role: Role, id: str) -> bool:
    """Whether the case exists for this actor: buyers and sellers know their own cases only, staff knows all."""
    return id == {Role.BUYER: case.buyer_id, Role.SELLER: case.seller_id}.get(role, id)


def not_found() -> Refused:
    """The same words whether the case does not exist or is somebody else's."""
    return Refused("not_found", "there is no such dispute; check the dispute id")


def _was_ruled(case: Case) -> bool:
    return any(line.verdict for line in case.lines)


def _leg(case: Case, command: type[Command]) -> Leg | None:
    """The parcel that a command is about, where the case has one."""
    legs = {ShipReturn: case.return_leg, ConfirmReturn: case.return_leg, ShipReplacement: case.replacement_leg}
    return legs.get(command)
