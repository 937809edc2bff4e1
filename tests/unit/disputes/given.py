"""Words for the tests of disputes: one held order of three lines, its people, and the messages of one case."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.disputes import (
    ConfirmReturn,
    DisputeReason,
    LineRuling,
    OpenDispute,
    RuleDispute,
    ShipReplacement,
    ShipReturn,
    Verdict,
    WithdrawDispute,
)
from contracts.escrow import DisputeLapsed, DisputeNotAdmitted, FundsHeld
from contracts.message import Actor, Message, Role
from contracts.money import Money
from contracts.orders import HeldLine
from disputes.case import Case, Status
from disputes.service import SERVICE
from tests.folding import Folding

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
BUYER = Actor(id="buyer-1", role=Role.BUYER)
SELLER = Actor(id="seller-1", role=Role.SELLER)
MEDIATOR = Actor(id="mediator-1", role=Role.MEDIATOR)
SUPPORT = Actor(id="agent-1", role=Role.SUPPORT)
R, K, S, B, X = Verdict.REFUND, Verdict.RELEASE, Verdict.SPLIT, Verdict.RETURN, Verdict.REPLACE
"""Refund, keep (release), split, bring back (return), exchange (replace)."""


TEN_DAYS, TWENTY_DAYS = (timedelta(days=count) - timedelta(hours=1) for count in (10, 20))
"""The periods of the parties: an hour less than escrow's."""


def days(count: float) -> timedelta:
    return timedelta(days=count)


def funds_held(lines: Sequence[int] = (1, 2, 3)) -> FundsHeld:
    price = Money(amount=5_000, currency="EUR")
    held = tuple(HeldLine(line_no=number, category="clothing", price=price, presented=price) for number in lines)
    return FundsHeld(order_id="order-1", buyer_id="buyer-1", seller_id="seller-1", lines=held)


def open_dispute(*lines: int, **changes: Any) -> OpenDispute:
    usual = {
        "actor": BUYER,
        "dispute_id": "case-1",
        "order_id": "order-1",
        "lines": lines or (1, 2),
        "reason": DisputeReason.DAMAGED,
    }
    return OpenDispute(**(usual | changes))


def withdraw(actor: Actor = BUYER) -> WithdrawDispute:
    return WithdrawDispute(actor=actor, dispute_id="case-1")


def rule(*verdicts: Verdict | tuple[int, Verdict], actor: Actor = MEDIATOR) -> RuleDispute:
    """Rules lines 1, 2 … in turn, or the lines named."""
    rulings = []
    for position, said in enumerate(verdicts, start=1):
        number, verdict = said if isinstance(said, tuple) else (position, said)
        points = 2_500 if verdict is Verdict.SPLIT else None
        rulings.append(LineRuling(line_no=number, verdict=verdict, buyer_basis_points=points))
    return RuleDispute(actor=actor, dispute_id="case-1", rulings=tuple(rulings))


def ship_return(actor: Actor = BUYER) -> ShipReturn:
    return ShipReturn(actor=actor, dispute_id="case-1", carrier="dhl", tracking_number="BACK-0001")


def confirm_return(actor: Actor = SELLER) -> ConfirmReturn:
    return ConfirmReturn(actor=actor, dispute_id="case-1")


def ship_replacement(actor: Actor = SELLER) -> ShipReplacement:
    return ShipReplacement(actor=actor, dispute_id="case-1", carrier="cainiao", tracking_number="AGAIN-0001")


def not_admitted(*lines: int, code: str = "already_disputed") -> DisputeNotAdmitted:
    return DisputeNotAdmitted(order_id="order-1", dispute_id="case-1", lines=lines or (1, 2), code=code)


def lapsed(*lines: int) -> DisputeLapsed:
    return DisputeLapsed(order_id="order-1", dispute_id="case-1", lines=lines or (1, 2))


def given(*messages: Message) -> Folding:
    """The service after these messages about the held order; none may be refused."""
    service = Folding(SERVICE, START)
    for message in (funds_held(), *messages):
        service.tell(message)
        assert service.refused is None, (message, service.refused)
    return service


def case(service: Folding) -> Case:
    state = service.state("disputes", "case-1")
    assert isinstance(state, Case)
    return state


TO_STATE: Mapping[Status, Sequence[Message]] = {
    Status.OPEN: (open_dispute(),),
    Status.WITHDRAWN: (open_dispute(), withdraw()),
    Status.RULED: (open_dispute(), rule(R, S)),
    Status.AWAITING_RETURN: (open_dispute(), rule(B, K)),
    Status.RETURN_SHIPPED: (open_dispute(), rule(B, K), ship_return()),
    Status.RETURNED: (open_dispute(), rule(B, K), ship_return(), confirm_return()),
    Status.AWAITING_REPLACEMENT: (open_dispute(), rule(X, K)),
    Status.REPLACEMENT_SHIPPED: (open_dispute(), rule(X, K), ship_replacement()),
    Status.CLOSED: (open_dispute(), not_admitted()),
}
"""How a case gets into each of its states."""


def in_state(status: Status) -> Folding:
    service = given(*TO_STATE[status])
    assert case(service).status is status
    return service


def nothing_happens(service: Folding, message: Message) -> str:
    """Takes the message, checks that it had no effect at all, and returns its note or code."""
    states, timers = dict(service.states), dict(service.timers)
    assert service.tell(message) == []
    assert (service.states, service.timers) == (states, timers)
    return service.refused.code if service.refused else service.note


def timers(service: Folding) -> dict[str, datetime]:
    return {name: due_at for (_, name), due_at in service.timers.items()}
