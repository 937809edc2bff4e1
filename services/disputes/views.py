"""What each reader sees of a case. Pure; everything returned is ready for JSON."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from contracts.disputes import ConfirmReturn, RuleDispute, ShipReplacement, ShipReturn, WithdrawDispute
from contracts.message import Command, Role
from disputes.case import Case
from disputes.rules import PERMITTED, refusal

_NAMES: dict[type[Command], str] = {
    WithdrawDispute: "withdraw_dispute",
    RuleDispute: "rule_dispute",
    ShipReturn: "ship_return",
    ConfirmReturn: "confirm_return",
    ShipReplacement: "ship_replacement",
}
_ON_SILENCE: dict[type[Command], str] = {
    WithdrawDispute: "case_goes_on",
    RuleDispute: "buyer_refunded",
    ShipReturn: "seller_paid",
    ConfirmReturn: "buyer_refunded",
    ShipReplacement: "buyer_refunded",
}


class NextAction(NamedTuple):
    """Something the reader may do now. `until` is its deadline if there is one, `on_silence` what happens after it."""

    action: str
    until: datetime | None
    on_silence: str


def next_actions(case: Case, role: Role) -> tuple[NextAction, ...]:
    """What someone in this role may do with the case, from the tables that decide it (X3)."""
    return tuple(
        NextAction(name, _until(case, asked), _ON_SILENCE[asked])
        for asked, name in _NAMES.items()
        if role is PERMITTED[asked] and not refusal(case, asked)
    )


def _until(case: Case, asked: type[Command]) -> datetime | None:
    if asked is RuleDispute:
        return case.rule_by
    if asked is WithdrawDispute:
        return None
    leg = case.replacement_leg if asked is ShipReplacement else case.return_leg
    return leg.due_at if leg else None


def case_view(case: Case, version: int, role: Role) -> dict[str, Any]:
    """A case as this role sees it. A seller's view holds nothing of the buyer (E10)."""
    view = {
        **_heading(case, version, role),
        "lines": [
            {
                "line_no": line.line_no,
                "verdict": line.verdict,
                "buyer_basis_points": line.buyer_basis_points,
                "dropped": line.dropped or None,
            }
            for line in case.lines
        ],
        "return": case.return_leg,
        "replacement": case.replacement_leg,
        "next": [action._asdict() for action in next_actions(case, role)],
        "history": [{"at": entry.at, "what": entry.what} for entry in case.history],
    }
    json_ready: dict[str, Any] = msgspec.to_builtins(view)
    return json_ready


def case_summary(case: Case, version: int, role: Role) -> dict[str, Any]:
    """One entry of a list."""
    json_ready: dict[str, Any] = msgspec.to_builtins(_heading(case, version, role))
    return json_ready


def _heading(case: Case, version: int, role: Role) -> dict[str, Any]:
    heading = {
        "dispute_id": case.dispute_id,
        "version": version,
        "order_id": case.order_id,
        "state": case.status,
        "code": case.code or None,
        "reason": case.reason,
        "seller_id": case.seller_id,
        "opened_at": case.opened_at,
        "rule_by": case.rule_by,
    }
    return heading if role is Role.SELLER else heading | {"buyer_id": case.buyer_id}
