"""What the disputes service shows, for its description."""

from pydantic import AwareDatetime, BaseModel

from contracts.disputes import Verdict
from disputes.case import LegState, Status
from runtime.shapes import Entry, NextAction


class CaseHeading(BaseModel):
    """A case in a list. Sellers see no `buyer_id`."""

    dispute_id: str
    version: int
    order_id: str
    state: Status
    code: str | None
    reason: str
    seller_id: str
    opened_at: AwareDatetime
    rule_by: AwareDatetime | None
    buyer_id: str | None = None


class CaseLine(BaseModel):
    """A disputed line, and how it was ruled."""

    line_no: int
    verdict: Verdict | None
    buyer_basis_points: int | None
    dropped: str | None


class LegShown(BaseModel):
    """A parcel that the ruling asks for."""

    state: LegState
    due_at: AwareDatetime | None


class CaseShown(CaseHeading):
    """A case as the reader may see it."""

    lines: list[CaseLine]
    next: list[NextAction]
    history: list[Entry]
    replacement: LegShown | None


class Cases(BaseModel):
    """A page of cases."""

    disputes: list[CaseHeading]
    next: str | None
