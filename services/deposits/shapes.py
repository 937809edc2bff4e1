"""What the deposits service shows, for its description."""

from pydantic import AwareDatetime, BaseModel

from deposits.domain import Status
from runtime.shapes import Amount


class ClaimShown(BaseModel):
    """What escrow claimed for a buyer."""

    claim_id: str
    order_id: str
    asked: Amount
    paid: Amount
    code: str | None
    rates: str | None
    at: AwareDatetime


class PendingPayment(BaseModel):
    """A payment under way."""

    operation_id: str
    amount: Amount
    method: str
    asked_at: AwareDatetime


class DepositShown(BaseModel):
    """A seller's deposit; terms and amounts are there once it was opened."""

    seller_id: str
    version: int
    status: Status
    normal: bool
    suspended_because: str | None
    paid_at: AwareDatetime | None
    claims: list[ClaimShown]
    category: str | None = None
    country: str | None = None
    policy: str | None = None
    opened_at: AwareDatetime | None = None
    required: Amount | None = None
    balance: Amount | None = None
    missing: Amount | None = None
    payment_pending: PendingPayment | None = None
