"""Disputes: cases between buyer and seller about lines of an order. Key of every message here: `dispute_id`."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from contracts.escrow import LineNos
from contracts.message import Code, Command, Event, Id, LineNo, Part, Refusal
from contracts.orders import TrackingNumber


class DisputeReason(StrEnum):
    """What the buyer says is wrong (D1)."""

    NOT_RECEIVED = "not_received"
    DAMAGED = "damaged"
    INCOMPLETE = "incomplete"
    WRONG_ITEM = "wrong_item"
    NOT_AS_DESCRIBED = "not_as_described"
    COUNTERFEIT = "counterfeit"
    LATE = "late"


class Verdict(StrEnum):
    """What a ruling says of a line (D4, D5)."""

    REFUND = "refund"
    RELEASE = "release"
    SPLIT = "split"
    RETURN = "return"
    REPLACE = "replace"


class LineRuling(Part):
    """The ruling of one line. A split, and only a split, has `buyer_basis_points`: hundredths of a percent."""

    line_no: LineNo
    verdict: Verdict
    buyer_basis_points: (
        Annotated[int, Field(strict=True, ge=1, le=9_999, description="hundredths of a percent to the buyer")] | None
    ) = None

    @model_validator(mode="after")
    def _share_only_for_split(self) -> Self:
        if (self.verdict is Verdict.SPLIT) != (self.buyer_basis_points is not None):
            raise ValueError("buyer_basis_points belongs to a split, and a split needs it")
        return self


Rulings = Annotated[tuple[LineRuling, ...], Field(min_length=1, max_length=100)]


class OpenDispute(Command, key="dispute_id"):
    """The buyer opens a case about lines of an order; their money stays held and their clock pauses (D1)."""

    dispute_id: Id
    order_id: Id
    lines: LineNos
    reason: DisputeReason


class WithdrawDispute(Command, key="dispute_id"):
    """The buyer withdraws: the order goes on where it was (D7)."""

    dispute_id: Id


class RuleDispute(Command, key="dispute_id"):
    """A mediator rules every line of the case (D5)."""

    dispute_id: Id
    rulings: Rulings


class ShipReturn(Command, key="dispute_id"):
    """The buyer sends the goods back after a ruling `return` (D10)."""

    dispute_id: Id
    carrier: Code
    tracking_number: TrackingNumber


class ConfirmReturn(Command, key="dispute_id"):
    """The seller has the returned goods; the buyer is refunded."""

    dispute_id: Id


class ShipReplacement(Command, key="dispute_id"):
    """The seller sends a replacement after a ruling `replace`; the held money travels with it (D10)."""

    dispute_id: Id
    carrier: Code
    tracking_number: TrackingNumber


class DisputeOpened(Event, key="dispute_id"):
    """A case was opened. Escrow pauses the clock of its lines."""

    dispute_id: Id
    order_id: Id
    buyer_id: Id
    seller_id: Id
    lines: LineNos
    reason: DisputeReason


class DisputeWithdrawn(Event, key="dispute_id"):
    """The case is closed without a ruling; escrow resumes the clock with at least the minimum remainder (D7)."""

    dispute_id: Id
    order_id: Id
    lines: LineNos


class DisputeResolved(Event, key="dispute_id"):
    """A mediator ruled. Escrow moves the money of each line as ruled."""

    dispute_id: Id
    order_id: Id
    rulings: Rulings


class ReturnShipped(Event, key="dispute_id"):
    """The buyer sent the goods back in time; the seller has until the return deadline to confirm."""

    dispute_id: Id
    order_id: Id
    lines: LineNos


class ReturnReceived(Event, key="dispute_id"):
    """The seller has the goods back; escrow refunds."""

    dispute_id: Id
    order_id: Id
    lines: LineNos


class ReplacementShipped(Event, key="dispute_id"):
    """The replacement is on its way; escrow starts a new delivery deadline for its lines."""

    dispute_id: Id
    order_id: Id
    lines: LineNos
    tracking_number: TrackingNumber


class CommandRefused(Refusal, key="subject"):
    """A command to disputes that came by Kafka was refused."""
