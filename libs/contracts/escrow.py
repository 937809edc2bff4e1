"""Escrow: the saga that owns a paid order's money until it rests. Key of every message here: `order_id`."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.message import Code, Command, Event, Id, LineNo, Moment, Part, Refusal
from contracts.money import Money, Price
from contracts.orders import Fault, HeldLines

LineNos = Annotated[tuple[LineNo, ...], Field(min_length=1, max_length=100)]


class Why(StrEnum):
    """What made money move."""

    CONFIRMED = "confirmed"
    BUYER_SILENT = "buyer_silent"
    RULING = "ruling"
    NOT_SHIPPED = "not_shipped"
    NOT_DELIVERED = "not_delivered"
    CANCELLED = "cancelled"
    REVIEW_REJECTED = "review_rejected"
    REVIEW_EXPIRED = "review_expired"
    LATE_PAYMENT = "late_payment"
    RETURNED = "returned"
    NOT_RETURNED = "not_returned"
    NOT_REPLACED = "not_replaced"
    CHARGEBACK = "chargeback"
    DISPUTE_EXPIRED = "dispute_expired"


class Outcome(StrEnum):
    """How a line ended."""

    RELEASED = "released"
    REFUNDED = "refunded"
    SETTLED = "settled"
    CHARGED_BACK = "charged_back"


class ReleasedLine(Part):
    """A line's money for the seller, in settlement currency: `net` = price share − `fee`."""

    line_no: LineNo
    net: Money
    fee: Money


class RefundedLine(Part):
    """A line's money for the buyer, in the currency it was paid in."""

    line_no: LineNo
    amount: Price


class FundsHeld(Event, key="order_id"):
    """The buyer's payment stands in the ledger, one hold a line (E1). Disputes learns of the order by it."""

    order_id: Id
    buyer_id: Id
    seller_id: Id
    lines: HeldLines


class OrderUnderReview(Event, key="order_id"):
    """The order was stopped by screening and waits until `until` for proof of identity (I2, I5)."""

    order_id: Id
    until: Moment


class FundsSecured(Event, key="order_id"):
    """The seller may ship, and must by `ship_by` (E4)."""

    order_id: Id
    seller_id: Id
    ship_by: Moment


class ShipmentReminderDue(Event, key="order_id"):
    """The seller has not shipped yet and should hear of it before `ship_by` (E5)."""

    order_id: Id
    seller_id: Id
    ship_by: Moment


class ReceiptReminderDue(Event, key="order_id"):
    """The buyer has not confirmed yet; after `confirm_by` the seller is paid without it (E8)."""

    order_id: Id
    buyer_id: Id
    confirm_by: Moment


class FundsReleased(Event, key="order_id"):
    """The money of these lines belongs to the seller now, and its payout is under way (E7)."""

    order_id: Id
    seller_id: Id
    lines: Annotated[tuple[ReleasedLine, ...], Field(min_length=1)]
    why: Why


class RefundStarted(Event, key="order_id"):
    """The money of these lines belongs to the buyer again, and its refund is under way (E11)."""

    order_id: Id
    buyer_id: Id
    lines: Annotated[tuple[RefundedLine, ...], Field(min_length=1)]
    why: Why
    fault: Fault


class LinesRested(Event, key="order_id"):
    """The provider confirmed: these lines are final. `order_at_rest` when no line of the order waits any more."""

    order_id: Id
    lines: LineNos
    outcome: Outcome
    order_at_rest: bool


class DisputeNotAdmitted(Event, key="order_id"):
    """A dispute came when none is possible for these lines (already refunded, window over …); the case is closed."""

    order_id: Id
    dispute_id: Id
    lines: LineNos
    code: Code


class DisputeLapsed(Event, key="order_id"):
    """Nobody ruled a dispute in time; the lines were refunded by policy."""

    order_id: Id
    dispute_id: Id
    lines: LineNos


class OperatorNeeded(Event, key="order_id"):
    """An operation failed beyond its retries, or something came that no rule covers; the lines stand in the
    operators' queue."""

    order_id: Id
    lines: LineNos
    operation_id: Id
    code: Code


class ChargebackRecorded(Event, key="order_id"):
    """A bank chargeback took the named lines out of the internal case (E13)."""

    order_id: Id
    chargeback_id: Id
    lines: LineNos
    amount: Price


class RetryOperation(Command, key="order_id"):
    """An operator sends a stopped refund or payout again, under a new operation id."""

    order_id: Id
    operation_id: Id


class OperationResult(StrEnum):
    """What an operator found out about an operation outside the system. `BY_BANK`: the refund failed, and the buyer has
    the money by a chargeback instead."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BY_BANK = "by_bank"


class RecordOperationResult(Command, key="order_id"):
    """An operator records what really became of an operation, as the provider told on paper."""

    order_id: Id
    operation_id: Id
    result: OperationResult


class CommandRefused(Refusal, key="subject"):
    """A command to escrow that came by Kafka was refused."""
