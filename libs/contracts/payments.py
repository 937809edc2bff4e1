"""The payment provider's port: what services ask of a provider and what it answers. Key: `reference`.

`operation_id` names one movement of money for ever: asking again with the same id moves nothing twice.
`reference` is the order id, or the seller id for a deposit.
"""

from enum import StrEnum

from contracts.message import Code, Command, Event, Id, Refusal
from contracts.money import Price
from contracts.orders import PaymentMethod

RETURNS = "return-"
"""How ids of refunds begin that give back a payment which did not pay its order; all others begin otherwise."""


def return_operation(payment: str, attempt: int) -> str:
    """Names the nth try to give a payment back. Never change this format: the provider knows past refunds by it."""
    return f"{RETURNS}{payment}-{attempt}"


def returned_payment(operation_id: str) -> str | None:
    """The payment that a refund of this id gives back; None for every other refund."""
    return operation_id.removeprefix(RETURNS).rpartition("-")[0] if operation_id.startswith(RETURNS) else None


class Purpose(StrEnum):
    """What a payment in is for."""

    ORDER = "order"
    DEPOSIT = "deposit"


class CollectPayment(Command, key="reference"):
    """Collect `amount` from the payer by `method`; answered by `PaymentSucceeded` or `PaymentDeclined`."""

    operation_id: Id
    reference: Id
    purpose: Purpose
    amount: Price
    method: PaymentMethod


class RefundPayment(Command, key="reference"):
    """Give `amount` of the order's payment back to the buyer; answered by `RefundSucceeded` or `RefundFailed`."""

    operation_id: Id
    reference: Id
    amount: Price


class PayOut(Command, key="reference"):
    """Pay `amount` to the seller's bank; answered by `PayoutSucceeded` or `PayoutFailed`."""

    operation_id: Id
    reference: Id
    seller_id: Id
    amount: Price


class QueryOperation(Command, key="reference"):
    """Ask what became of an operation whose answer is overdue: its result is sent again, or `OperationNotFound`."""

    operation_id: Id
    reference: Id


class PaymentSucceeded(Event, key="reference"):
    """The provider holds the payer's money."""

    operation_id: Id
    reference: Id
    purpose: Purpose
    amount: Price
    method: PaymentMethod


class PaymentDeclined(Event, key="reference"):
    """The payment was declined; nothing moved."""

    operation_id: Id
    reference: Id
    purpose: Purpose
    method: PaymentMethod
    reason: Code


class RefundSucceeded(Event, key="reference"):
    """The buyer has the money back."""

    operation_id: Id
    reference: Id
    amount: Price


class RefundFailed(Event, key="reference"):
    """The refund did not go through and nothing moved; it may be asked for again under a new operation id."""

    operation_id: Id
    reference: Id
    reason: Code


class PayoutSucceeded(Event, key="reference"):
    """The seller's bank has the money."""

    operation_id: Id
    reference: Id
    amount: Price


class PayoutFailed(Event, key="reference"):
    """The payout did not go through and nothing moved; it may be asked for again under a new operation id."""

    operation_id: Id
    reference: Id
    reason: Code


class OperationNotFound(Event, key="reference"):
    """The provider never saw this operation: nothing moved, and it is safe to ask for it again."""

    operation_id: Id
    reference: Id


class ChargebackReceived(Event, key="reference"):
    """The buyer's bank took `amount` of an order's payment back. The internal case is suspended (E13)."""

    chargeback_id: Id
    reference: Id
    amount: Price
    reason: Code


class ChargebackReversed(Event, key="reference"):
    """The bank gave a charged-back amount back to the platform: the case goes on where it stood."""

    chargeback_id: Id
    reference: Id
    amount: Price


class CommandRefused(Refusal, key="subject"):
    """The provider refused an operation as malformed; nothing moved."""
