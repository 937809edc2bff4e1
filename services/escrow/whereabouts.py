"""Where is my money: of every line each part, who holds it, what it waits for, until when, and under which reference
it can be asked for (E11)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from contracts.message import Role
from contracts.money import major_units
from escrow import policy
from escrow.invariants import held
from escrow.state import Escrow, Operation, Standing, State, Tranche, operation
from ledger.order_money import OrderMoney

Part = dict[str, Any]


def where(order: Escrow, money: OrderMoney, now: datetime, role: Role = Role.OPERATOR) -> list[Part]:
    """The parts of the order's money, line by line:

    `line_no`; `amount` (minor units, currency, text); `owner`: whose it is to be (`buyer`, `seller`, `platform`, or
    `undecided`); `held_by`: who has it now (`platform`, `provider`, `buyer`, `seller`, `buyers_bank`, `deposits`);
    `place`: what it does there (`held`, `payout_in_transit`, `paid_out`, `refund_in_transit`, `refunded`, `claimed`,
    `charged_back`, `earned`); `since`; `expected_at`: by when it is to have moved, by the order's dated policy, null
    where it is final or an operator decides; `reference`: the operation, case or chargeback to ask for; `overdue`;
    `with_operator`.

    A buyer sees neither fees nor what the seller is left with; a seller nothing of the refund but that it is.
    Times in ISO 8601, UTC.
    """
    times = _times(money)
    parts = [part for tranche in order.tranches for part in _parts(order, tranche, times, now)]
    return [shown for part in parts if (shown := _for(role, part)) is not None]


def _parts(order: Escrow, tranche: Tranche, times: Mapping[str, datetime], now: datetime) -> Iterator[Part]:
    line = f"{order.order_id}/{tranche.line_no}"
    funded = times.get(f"{line}/fund")
    if held(tranche):
        about = tranche.dispute_id
        yield _part(order, tranche, now, "undecided", "platform", "held", tranche.presented, funded,
                    expected=tranche.deadline_at, reference=about)  # fmt: skip
    if tranche.chargeback_id is not None:
        since = times.get(f"{order.order_id}/{tranche.chargeback_id}/taken")
        owner = "buyer" if tranche.state is State.CHARGED_BACK else "undecided"
        yield _part(order, tranche, now, owner, "buyers_bank", "charged_back", tranche.presented, since,
                    expected=tranche.deadline_at, reference=tranche.chargeback_id)  # fmt: skip
    if tranche.to_buyer:
        yield _to_buyer(order, tranche, times, now)
    if tranche.to_seller:
        yield _to_seller(order, tranche, times, now)
    if tranche.fee:
        yield _part(
            order, tranche, now, "platform", "platform", "earned", tranche.fee, tranche.released_at, of=order.settlement
        )


def _to_buyer(order: Escrow, tranche: Tranche, times: Mapping[str, datetime], now: datetime) -> Part:
    refund = operation(order, tranche.refund_id)
    if refund is None:
        claim = operation(order, tranche.claim_id)
        return _part(order, tranche, now, "buyer", "deposits", "claimed", tranche.to_buyer, None,
                     expected=tranche.deadline_at, reference=claim.id if claim else None)  # fmt: skip
    done = times.get(f"{order.order_id}/{refund.id}/out")
    if refund.standing is Standing.SUCCEEDED:
        return _part(order, tranche, now, "buyer", "buyer", "refunded", tranche.to_buyer, done, reference=refund.id)
    if refund.standing is Standing.BY_BANK:
        since = times.get(f"{order.order_id}/{refund.id}/by-bank")
        return _part(
            order, tranche, now, "buyer", "buyers_bank", "charged_back", tranche.to_buyer, since, reference=refund.id
        )
    begun = times.get(f"{order.order_id}/{tranche.line_no}/refund")
    expected = begun + policy.refund_arrives(order) if begun else tranche.deadline_at
    return _part(order, tranche, now, "buyer", _mover(refund), "refund_in_transit", tranche.to_buyer, begun,
                 expected=expected, reference=refund.id)  # fmt: skip


def _to_seller(order: Escrow, tranche: Tranche, times: Mapping[str, datetime], now: datetime) -> Part:
    payout = operation(order, tranche.payout_id)
    amount, of = tranche.to_seller, order.settlement
    if payout is not None and payout.standing is Standing.SUCCEEDED:
        done = times.get(f"{order.order_id}/{payout.id}/out")
        return _part(order, tranche, now, "seller", "seller", "paid_out", amount, done, of=of, reference=payout.id)
    begun = tranche.released_at
    expected = begun + policy.payout_arrives(order) if begun else tranche.deadline_at
    return _part(order, tranche, now, "seller", _mover(payout), "payout_in_transit", amount, begun, of=of,
                 expected=expected, reference=payout.id if payout else None)  # fmt: skip


def _mover(asked: Operation | None) -> str:
    """Who has the money while it moves: what failed, or was not sent, lies here."""
    return "provider" if asked is not None and asked.standing is Standing.SENT else "platform"


def _part(
    order: Escrow,
    tranche: Tranche,
    now: datetime,
    owner: str,
    held_by: str,
    place: str,
    amount: int,
    since: datetime | None,
    *,
    of: str | None = None,
    expected: datetime | None = None,
    reference: str | None = None,
) -> Part:
    currency = of or order.presentment
    return {
        "line_no": tranche.line_no,
        "amount": {"amount": amount, "currency": currency, "text": f"{major_units(amount, currency)} {currency}"},
        "owner": owner,
        "held_by": held_by,
        "place": place,
        "since": since.isoformat() if since else None,
        "expected_at": expected.isoformat() if expected else None,
        "reference": reference,
        "overdue": expected is not None and expected < now,
        "with_operator": tranche.state is State.WITH_OPERATOR,
    }


def _times(money: OrderMoney) -> dict[str, datetime]:
    """When each movement was written, by its id in the book."""
    return {leg.id: leg.at for leg in (*money.legs, *money.pending)}


def _for(role: Role, part: Part) -> Part | None:
    if role is Role.BUYER:
        if part["owner"] == "platform":
            return None
        return part | {"reference": None, "amount": None} if part["owner"] == "seller" else part
    if role is Role.SELLER and part["owner"] in ("buyer", "undecided"):
        hidden = {"amount": None, "held_by": "platform" if part["held_by"] == "platform" else None, "reference": None}
        return part | hidden
    return part
