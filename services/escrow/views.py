"""What is shown of an order's money: for each line where it stands, until when, and what happens on silence."""

from collections.abc import Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.message import Actor, Role
from contracts.money import major_units
from escrow.process import Move
from escrow.saga import ESCROW
from escrow.state import MEANING, Concern, Escrow, Operation, OperationKind, Tranche, at_rest, legs
from escrow.walk import resolve
from ledger.order_money import Leg, OrderMoney
from ledger.postings import Kind
from runtime.decision import TimeUp


def takes_part(order: Escrow, actor: Actor) -> bool:
    """Whether the order exists for this actor: buyers and sellers know their own orders only, staff knows all."""
    return actor.id == {Role.BUYER: order.buyer_id, Role.SELLER: order.seller_id}.get(actor.role, actor.id)


def escrow_view(order: Escrow, version: int, role: Role = Role.OPERATOR) -> dict[str, Any]:
    """The order's money, JSON-able. Amounts in minor units and as text; times in ISO 8601, UTC. It names the two
    parties by their ids and carries nothing else about them; a seller's view holds nothing of the buyer, nor in which
    currency they pay and are refunded (E10); a buyer's holds neither the fee nor the payout."""
    operations = tuple(each for each in order.operations if _is_seen(each, role))
    known = {each.id for each in operations}
    hidden = {each.id for each in order.operations} - known
    concerns = [
        each
        for each in order.concerns
        if each.open and each.operation_id not in hidden and (role is not Role.SELLER or each.operation_id in known)
    ]
    return _head(order, version) | {
        **({} if role is Role.SELLER else {"buyer_id": order.buyer_id}),
        "lines": [_seen(_line(order, tranche), known, role) for tranche in order.tranches],
        "operations": [_operation(order, each) for each in operations],
        "concerns": [_concern(each) for each in concerns],
    }


_HIDDEN = {Role.SELLER: ("presented", "to_buyer"), Role.BUYER: ("to_seller", "fee")}
"""Of a line: what the other party pays, gets or owes."""


def _is_seen(each: Operation, role: Role) -> bool:
    if role is Role.SELLER:
        return each.kind is OperationKind.PAYOUT
    return role is not Role.BUYER or each.kind is not OperationKind.PAYOUT


def _seen(line: dict[str, Any], known: Set[str], role: Role) -> dict[str, Any]:
    shown = {name: what for name, what in line.items() if name not in _HIDDEN.get(role, ())}
    return shown | {"operations": [id for id in line["operations"] if id in known]}


def _head(order: Escrow, version: int) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "version": version,
        "seller_id": order.seller_id,
        "policy": order.policy,
        "at_rest": at_rest(order),
    }


def money_view(money: OrderMoney, role: Role) -> dict[str, Any]:
    """Where an order's money is and how it got there; for a seller what they are owed and were paid, no more (E10), and
    for a buyer nothing of how the platform and the seller share what was released."""
    if role not in (Role.SELLER, Role.BUYER):
        return money.to_dict()
    of_seller = role is Role.SELLER
    own = {
        currency: {place: amount for place, amount in places.items() if (place in _PLACES_OF_A_SELLER) is of_seller}
        for currency, places in money.lies.items()
    }
    for places in own.values():
        places.pop("fees", None)
    return replace(
        money,
        lies={currency: places for currency, places in own.items() if places},
        legs=tuple(leg for leg in money.legs if _concerns(leg, of_seller)),
        pending=tuple(leg for leg in money.pending if _concerns(leg, of_seller)),
    ).to_dict()


_ACCOUNTS_OF_A_SELLER = frozenset({Kind.PAYABLE, Kind.RESERVE, Kind.PAYOUT_TRANSIT})
_PLACES_OF_A_SELLER = frozenset({"payable", "reserved", "payout_in_transit", "paid_out"})


def _concerns(leg: Leg, of_seller: bool) -> bool:
    sides = {leg.debit.kind, leg.credit.kind}
    return Kind.FEES not in sides and bool(sides & _ACCOUNTS_OF_A_SELLER) is of_seller


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
