"""Who may ask what of a case, and in which state: two tables, and the check that reads them."""

from collections.abc import Mapping

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


def admit(case: Case, command: Command) -> None:
    """Passes, or raises `Refused`: not_found for strangers, forbidden for the wrong role, else the state's own code."""
    actor = command.actor
    if not takes_part(case, actor.role, actor.id):
        raise not_found()
    if actor.role is not PERMITTED[type(command)]:
        raise Refused("forbidden", f"the role {actor.role} may not do this")
    if actor.role is Role.MEDIATOR and actor.id in (case.buyer_id, case.seller_id):
        raise Refused("forbidden", "nobody rules a case of their own; leave it to another mediator")
    if code := refusal(case, type(command)):
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
    if command is ShipReplacement:
        return _REPLACEMENT_TO_SHIP[_state(case.replacement_leg)]
    return (_RETURN_TO_SHIP if command is ShipReturn else _RETURN_TO_CONFIRM)[_state(case.return_leg)]


def takes_part(case: Case, role: Role, id: str) -> bool:
    """Whether the case exists for this actor: buyers and sellers know their own cases only, staff knows all."""
    return id == {Role.BUYER: case.buyer_id, Role.SELLER: case.seller_id}.get(role, id)


def not_found() -> Refused:
    """The same words whether the case does not exist or is somebody else's."""
    return Refused("not_found", "there is no such dispute; check the dispute id")


def _was_ruled(case: Case) -> bool:
    return any(line.verdict for line in case.lines)


def _state(leg: Leg | None) -> LegState | None:
    return leg.state if leg else None
