"""What is shown of an order's money: for each line where it stands, until when, and what happens on silence."""

from datetime import datetime
from typing import Any

from contracts.money import major_units
from escrow.process import Move
from escrow.saga import ESCROW
from escrow.state import MEANING, Concern, Escrow, Operation, OperationKind, Tranche, at_rest, legs
from escrow.walk import resolve
from runtime.decision import TimeUp


def escrow_view(order: Escrow, version: int) -> dict[str, Any]:
    """The order's money, JSON-able. Amounts in minor units and as text; times in ISO 8601, UTC. It names the two
    parties by their ids and carries nothing else about them (E10)."""
    return {
        "order_id": order.order_id,
        "version": version,
        "buyer_id": order.buyer_id,
        "seller_id": order.seller_id,
        "policy": order.policy,
        "at_rest": at_rest(order),
        "lines": [_line(order, tranche) for tranche in order.tranches],
        "operations": [_operation(order, each) for each in order.operations],
        "concerns": [_concern(each) for each in order.concerns if each.open],
    }


def queue_entry(order: Escrow, version: int) -> dict[str, Any]:
    """An order of the operators' queue: what is asked, and the operations it is about."""
    asked = [each for each in order.concerns if each.open]
    about = {each.operation_id for each in asked}
    return {
        "order_id": order.order_id,
        "version": version,
        "since": _time(min(each.since for each in asked)),
        "concerns": [_concern(each) for each in asked],
        "operations": [_operation(order, each) for each in order.operations if each.id in about],
    }


def on_silence(order: Escrow, tranche: Tranche) -> dict[str, Any] | None:
    """Where the line goes and what is done when nobody does anything until its deadline; None without a deadline."""
    if tranche.deadline_at is None:
        return None
    silence = TimeUp("deadline", tranche.deadline_at)
    branch = resolve(ESCROW.branch(tranche.state, TimeUp), order, tranche, silence, tranche.deadline_at)
    assert isinstance(branch, Move), f"the table gives {tranche.state} a deadline without a consequence"
    return {"state": (branch.to or tranche.state).value, "then": [action.words for action in branch.do]}


def _line(order: Escrow, tranche: Tranche) -> dict[str, Any]:
    return {
        "line_no": tranche.line_no,
        "state": tranche.state.value,
        "meaning": MEANING[tranche.state],
        "deadline_at": _time(tranche.deadline_at),
        "remind_at": _time(tranche.remind_at),
        "on_silence": on_silence(order, tranche),
        "paused": [each.state.value for each in tranche.paused],
        "why": tranche.why.value if tranche.why else None,
        "fault": tranche.fault.value,
        "dispute_id": tranche.dispute_id,
        "price": _money(tranche.price, order.settlement),
        "presented": _money(tranche.presented, order.presentment),
        "to_seller": _money(tranche.to_seller, order.settlement),
        "fee": _money(tranche.fee, order.settlement),
        "to_buyer": _money(tranche.to_buyer, order.presentment),
        "operations": [each.id for each in legs(order, tranche)],
    }


def _operation(order: Escrow, each: Operation) -> dict[str, Any]:
    currency = order.settlement if each.kind is OperationKind.PAYOUT else order.presentment
    return {
        "operation_id": each.id,
        "kind": each.kind.value,
        "lines": list(each.lines),
        "amount": _money(each.amount, currency),
        "standing": each.standing.value,
    }


def _concern(each: Concern) -> dict[str, Any]:
    return {
        "operation_id": each.operation_id,
        "code": each.code,
        "lines": list(each.lines),
        "since": _time(each.since),
    }


def _money(amount: int, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "text": f"{major_units(amount, currency)} {currency}"}


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
