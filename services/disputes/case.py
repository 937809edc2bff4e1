"""The state of one case, and of the orders that cases can be about: plain frozen data."""

from datetime import datetime
from enum import StrEnum

import msgspec

from contracts.disputes import DisputeReason, Verdict


class Status(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"
    RULED = "ruled"
    """Nothing more is asked of the parties."""
    AWAITING_RETURN = "awaiting_return"
    RETURN_SHIPPED = "return_shipped"
    RETURNED = "returned"
    AWAITING_REPLACEMENT = "awaiting_replacement"
    REPLACEMENT_SHIPPED = "replacement_shipped"
    CLOSED = "closed"
    """Not admitted, lapsed, or a party let its deadline pass; `code` says which."""


class LegState(StrEnum):
    """Where a parcel between the parties stands: a return or a replacement."""

    AWAITED = "awaited"
    SHIPPED = "shipped"
    RECEIVED = "received"
    LAPSED = "lapsed"


class Leg(msgspec.Struct, frozen=True, omit_defaults=True):
    """A return or a replacement. `due_at` is the deadline of its next step, if it has one."""

    state: LegState
    due_at: datetime | None = None
    carrier: str = ""
    tracking_number: str = ""


class CaseLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """A disputed line. `dropped` is the code with which escrow took it out of the case; empty while it is in."""

    line_no: int
    verdict: Verdict | None = None
    buyer_basis_points: int | None = None
    dropped: str = ""


class Happened(msgspec.Struct, frozen=True, array_like=True):
    """One entry of the history."""

    at: datetime
    what: str


class Case(msgspec.Struct, frozen=True, omit_defaults=True):
    """One case. One ruling may name both a return and a replacement; each is a leg with its own course, and the status
    is the step that is waited for first."""

    dispute_id: str
    order_id: str
    buyer_id: str
    seller_id: str
    reason: DisputeReason
    lines: tuple[CaseLine, ...]
    status: Status
    policy: str
    opened_at: datetime
    rule_by: datetime
    code: str = ""
    return_leg: Leg | None = None
    replacement_leg: Leg | None = None
    history: tuple[Happened, ...] = ()


class HeldOrder(msgspec.Struct, frozen=True):
    """An order whose money escrow holds: who may dispute it, and which lines it has."""

    order_id: str
    buyer_id: str
    seller_id: str
    lines: tuple[int, ...]


def open_lines(case: Case) -> tuple[int, ...]:
    """Numbers of the lines that are still in the case."""
    return tuple(line.line_no for line in case.lines if not line.dropped)


def lines_with(case: Case, verdict: Verdict) -> tuple[int, ...]:
    """Numbers of the lines that are still in the case and were ruled so."""
    return tuple(line.line_no for line in case.lines if line.verdict is verdict and not line.dropped)


def standing(case: Case) -> Status:
    """The status of a ruled case, from its legs: what is awaited goes before what travels, what travels before what is
    over."""
    legs = (case.return_leg, case.replacement_leg)
    returning, replacing = (leg.state if leg else None for leg in legs)
    order = (
        (returning is LegState.AWAITED, Status.AWAITING_RETURN),
        (replacing is LegState.AWAITED, Status.AWAITING_REPLACEMENT),
        (returning is LegState.SHIPPED, Status.RETURN_SHIPPED),
        (replacing is LegState.SHIPPED, Status.REPLACEMENT_SHIPPED),
        (LegState.LAPSED in (returning, replacing), Status.CLOSED),
        (returning is LegState.RECEIVED, Status.RETURNED),
    )
    return next((status for holds, status in order if holds), Status.RULED)
