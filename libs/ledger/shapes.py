"""What services with a book show of reconciliations, for their descriptions."""

from datetime import date

from pydantic import AwareDatetime, BaseModel

from contracts.statement import EntryKind
from ledger.reconciliation import Cause


class Stated(BaseModel):
    """Money: minor units, an ISO 4217 code, and how it is written."""

    amount: int
    currency: str
    text: str


class DifferenceShown(BaseModel):
    """What statement and book do not agree on; null where a side has nothing. `since`: when an operation that is not
    answered yet was asked for."""

    position: int
    cause: Cause
    kind: EntryKind
    reference: str
    operation_id: str | None
    stated: Stated | None
    booked: Stated | None
    stated_at: AwareDatetime | None
    booked_at: AwareDatetime | None
    since: AwareDatetime | None
    what_to_do: str


class TotalShown(BaseModel):
    """One currency, in minor units: what came in less what went out, and what of it the two sides disagree on."""

    currency: str
    stated: int
    booked: int
    difference: int
    entries: int
    movements: int


class Revision(BaseModel):
    """The day as it was looked at before: SHA-256 of that statement, and how many differences there were."""

    revision: int
    statement: str
    made_at: AwareDatetime
    made_by: str
    differences: int


class ReconciliationShown(BaseModel):
    """A provider's day against the book: the newest revision, with a page of its differences."""

    provider: str
    day: date
    revision: int
    statement: str
    closed_at: AwareDatetime
    made_at: AwareDatetime
    made_by: str
    clean: bool
    entries: int
    movements: int
    causes: dict[Cause, int]
    totals: list[TotalShown]
    differences: list[DifferenceShown]
    next: int | None
    history: list[Revision]
