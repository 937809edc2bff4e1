"""What the escrow service shows, for its description."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel

from escrow.state import OperationKind, Standing, State
from runtime.shapes import Amount


class AmountInWords(Amount):
    """Money, and how it is written."""

    text: str


class EscrowLine(BaseModel):
    """Where a line's money stands, until when, and what happens on silence. Sellers do not see what the buyer pays,
    buyers not what the seller is left with."""

    line_no: int
    state: State
    meaning: str
    deadline_at: AwareDatetime | None
    remind_at: AwareDatetime | None
    on_silence: dict[str, Any] | None
    paused: list[State]
    why: str | None
    fault: str
    dispute_id: str | None
    price: AmountInWords
    operations: list[str]
    to_seller: AmountInWords | None = None
    fee: AmountInWords | None = None
    presented: AmountInWords | None = None
    to_buyer: AmountInWords | None = None


class OperationShown(BaseModel):
    """A movement that was asked of the provider or of deposits."""

    operation_id: str
    kind: OperationKind
    lines: list[int]
    amount: AmountInWords
    standing: Standing


class ConcernShown(BaseModel):
    """What an operator is asked to decide."""

    operation_id: str
    code: str
    lines: list[int]
    since: AwareDatetime


class EscrowShown(BaseModel):
    """An order's money."""

    order_id: str
    version: int
    seller_id: str
    policy: str
    at_rest: bool
    buyer_id: str | None = None
    lines: list[EscrowLine]
    operations: list[OperationShown]
    concerns: list[ConcernShown]


class QueueEntry(BaseModel):
    """An order of the operators' queue."""

    order_id: str
    version: int
    since: AwareDatetime
    concerns: list[ConcernShown]
    operations: list[OperationShown]


class Queue(BaseModel):
    """A page of the operators' queue."""

    orders: list[QueueEntry]
    next: str | None


class LateShown(EscrowShown):
    """An order that did not move when it was due."""

    due_at: AwareDatetime


class Overdue(BaseModel):
    """A page of orders that should have moved."""

    orders: list[LateShown]
    next: str | None


class MoneyPart(BaseModel):
    """A part of a line's money: whose it is to be, who has it now, by when it is to move, and what to ask for."""

    line_no: int
    amount: AmountInWords | None
    owner: Literal["buyer", "seller", "platform", "undecided"]
    held_by: Literal["platform", "provider", "buyer", "seller", "buyers_bank", "deposits"] | None
    place: str
    since: AwareDatetime | None
    expected_at: AwareDatetime | None
    reference: str | None
    overdue: bool
    with_operator: bool


class OrderMoneyShown(BaseModel):
    """Where an order's money lies, and the steps it took."""

    order_id: str
    where: list[MoneyPart]
    lies: dict[str, dict[str, int]]
    legs: list[dict[str, Any]]
    pending: list[dict[str, Any]]
