"""What the identity service shows, for its description."""

from pydantic import AwareDatetime, BaseModel

from identity.domain import StopStatus


class SignalShown(BaseModel):
    """A rule that stopped an order, and the policy it stands in."""

    rule: str
    policy: str


class StopShown(BaseModel):
    """An order that was stopped, and what became of the appeal."""

    order_id: str
    at: AwareDatetime
    status: StopStatus
    signals: list[SignalShown]
    appeal_id: str | None
    documents: list[str]
    submitted_at: AwareDatetime | None
    decided_at: AwareDatetime | None
    reason: str | None


class AccountShown(BaseModel):
    """A person's account."""

    person_id: str
    version: int
    country: str | None
    opened_at: AwareDatetime | None
    stops: list[StopShown]


class AppealShown(BaseModel):
    """An appeal in the reviewers' list."""

    appeal_id: str
    person_id: str
    order_id: str
    status: StopStatus
    submitted_at: AwareDatetime
    rules: list[str]
    documents: list[str]


class Appeals(BaseModel):
    """A page of them."""

    appeals: list[AppealShown]
    next: str | None
