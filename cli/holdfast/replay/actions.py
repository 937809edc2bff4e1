"""What people try with an order, in time order: pure, made of its plan."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from contracts.disputes import DisputeReason, LineRuling, OpenDispute, RuleDispute, Verdict
from contracts.identity import Document, DocumentKind, RejectAppeal, SubmitAppeal, VerifyAppeal
from contracts.message import Actor, Command, Role
from contracts.money import Money
from contracts.orders import CancelOrder, CancelReason, ConfirmReceipt, OrderLine, PayOrder, PlaceOrder, ShipOrder
from holdfast.replay.reader import Plan, PlannedLine

MEDIATOR = Actor(id="mediator-1", role=Role.MEDIATOR)
REVIEWER = Actor(id="reviewer-1", role=Role.REVIEWER)
REASONS = {reason.value for reason in DisputeReason}


@dataclass(frozen=True, slots=True)
class Deliver:
    """The carrier hands the parcel over."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something tried at a moment. `step` orders what happens at the same moment."""

    at: datetime
    step: int
    plan: Plan
    what: Command | Deliver

    @property
    def order_id(self) -> str:
        return self.plan.order_id

    @property
    def name(self) -> str:
        return type(self.what).__name__


def actions_of(plan: Plan) -> list[Action]:
    """Everything the file says was tried with one order, in time order."""
    return sorted(_tried(plan), key=lambda action: (action.at, action.step))


def appeal_of(plan: Plan, stopped_at: datetime) -> list[Action]:
    """What follows when screening stops an order: who went on shipping proved their identity, whom the file says a
    reviewer turned away appealed in vain, and of the others nothing more was heard."""
    rejected = plan.cancelled_by == "reviewer"
    if not rejected and plan.shipped_at is None:
        return []
    submitted = stopped_at + timedelta(days=1)
    decided = max(submitted, plan.cancelled_at) if rejected and plan.cancelled_at else submitted + timedelta(days=2)
    appeal_id = short_id("a", plan.order_id)
    names: dict[str, Any] = {"appeal_id": appeal_id, "person_id": plan.buyer_id}
    decision: Command = (
        RejectAppeal(actor=REVIEWER, reason="documents_not_accepted", **names)
        if rejected
        else VerifyAppeal(actor=REVIEWER, **names)
    )
    kinds = (DocumentKind.CARD_PICTURE, DocumentKind.PASSPORT, DocumentKind.CARD_STATEMENT)
    papers = tuple(
        Document(
            kind=kind,
            sha256=hashlib.sha256(f"{plan.order_id}/{kind}".encode()).hexdigest(),
            issued_on=submitted.date() - timedelta(days=20),
        )
        for kind in kinds
    )
    submit = SubmitAppeal(actor=_buyer(plan), order_id=plan.order_id, documents=papers, **names)
    return [Action(submitted, 0, plan, submit), Action(decided, 1, plan, decision)]


def short_id(prefix: str, order_id: str, number: int | None = None) -> str:
    """An id made of the order's, within the 40 characters that ids of cases may have."""
    id = f"{prefix}-{order_id}" + (f"-{number}" if number else "")
    return id if len(id) <= 40 else f"{prefix}-{hashlib.sha256(id.encode()).hexdigest()[:32]}"


def _buyer(plan: Plan) -> Actor:
    return Actor(id=plan.buyer_id, role=Role.BUYER)


def _seller(plan: Plan) -> Actor:
    return Actor(id=plan.seller_id, role=Role.SELLER)


def _tried(plan: Plan) -> Iterator[Action]:
    id = plan.order_id
    lines = tuple(
        OrderLine(
            line_no=line.line_no,
            sku=line.sku,
            category=line.category,
            quantity=line.quantity,
            unit_price=Money(amount=line.unit_price, currency=plan.currency),
        )
        for line in plan.lines
    )
    place = PlaceOrder(
        actor=_buyer(plan),
        order_id=id,
        buyer_id=plan.buyer_id,
        seller_id=plan.seller_id,
        buyer_country=plan.buyer_country,
        seller_country=plan.seller_country,
        lines=lines,
    )
    yield Action(plan.placed_at, 0, plan, place)
    if plan.paid_at:
        pay = PayOrder.model_validate({"actor": _buyer(plan), "order_id": id, "method": plan.payment_method})
        yield Action(plan.paid_at, 1, plan, pay)
    if plan.shipped_at:
        ship = ShipOrder(actor=_seller(plan), order_id=id, carrier=plan.carrier, tracking_number=plan.tracking_number)
        yield Action(plan.shipped_at, 2, plan, ship)
    if plan.delivered_at:
        yield Action(plan.delivered_at, 3, plan, Deliver(id))
    if plan.cancelled_at and plan.cancelled_by != "reviewer":
        yield Action(plan.cancelled_at, 4, plan, _cancel(plan))
    yield from _of_lines(plan)


def _cancel(plan: Plan) -> CancelOrder:
    by_seller = plan.cancelled_by == "seller"
    reason = {
        "buyer": CancelReason.CHANGED_MIND,
        "seller": CancelReason.OUT_OF_STOCK,
        "seller_asked": CancelReason.SELLER_ASKED,
    }[plan.cancelled_by]
    return CancelOrder(actor=_seller(plan) if by_seller else _buyer(plan), order_id=plan.order_id, reason=reason)


def _of_lines(plan: Plan) -> Iterator[Action]:
    confirmed: dict[datetime, list[int]] = {}
    disputed: dict[tuple[datetime, str], list[PlannedLine]] = {}
    for line in plan.lines:
        if line.confirmed_at:
            confirmed.setdefault(line.confirmed_at, []).append(line.line_no)
        if line.disputed_at:
            reason = line.dispute_reason if line.dispute_reason in REASONS else DisputeReason.NOT_AS_DESCRIBED.value
            disputed.setdefault((line.disputed_at, reason), []).append(line)
    for at, numbers in confirmed.items():
        named = () if len(numbers) == len(plan.lines) else tuple(numbers)
        yield Action(at, 7, plan, ConfirmReceipt(actor=_buyer(plan), order_id=plan.order_id, lines=named))
    for number, ((at, reason), lines) in enumerate(sorted(disputed.items(), key=lambda case: case[0]), 1):
        dispute_id = short_id("d", plan.order_id, number)
        opened = OpenDispute(
            actor=_buyer(plan),
            dispute_id=dispute_id,
            order_id=plan.order_id,
            lines=tuple(line.line_no for line in lines),
            reason=DisputeReason(reason),
        )
        yield Action(at, 5, plan, opened)
        if all(line.ruled_at and line.ruling for line in lines):
            rulings = tuple(_ruling(line) for line in lines)
            ruled = RuleDispute(actor=MEDIATOR, dispute_id=dispute_id, rulings=rulings)
            yield Action(max(line.ruled_at for line in lines if line.ruled_at), 6, plan, ruled)


def _ruling(line: PlannedLine) -> LineRuling:
    assert line.ruling
    verdict = {"buyer": Verdict.REFUND, "seller": Verdict.RELEASE, "split": Verdict.SPLIT}[line.ruling.verdict]
    return LineRuling(line_no=line.line_no, verdict=verdict, buyer_basis_points=line.ruling.buyer_basis_points)
