"""Deposits: the guarantee a seller pays before selling. Key of every message here: `seller_id`."""

from enum import StrEnum

from contracts.message import Code, Command, Country, Event, Id, Refusal
from contracts.money import Money, Price
from contracts.orders import PaymentMethod


class SuspendReason(StrEnum):
    """Why a deposit stopped being normal."""

    SHORTFALL = "shortfall"
    OPERATOR = "operator"


class OpenDeposit(Command, key="seller_id"):
    """A seller asks to open a store; policy says how much deposit its category and country need on this day (P1)."""

    seller_id: Id
    category: Code
    country: Country


class PayDeposit(Command, key="seller_id"):
    """The seller pays what is missing of the deposit (P4).

    Answered by `DepositActivated` or `DepositPaymentDeclined`.
    """

    seller_id: Id
    method: PaymentMethod


class SuspendDeposit(Command, key="seller_id"):
    """An operator stops a seller from taking new orders."""

    seller_id: Id
    reason: Code


class ReinstateDeposit(Command, key="seller_id"):
    """An operator lifts a suspension; refused while money is missing."""

    seller_id: Id


class ClaimDeposit(Command, key="seller_id"):
    """Escrow asks the deposit to pay what a buyer won after the seller was paid (P8). Always answered by
    `DepositClaimed`, with what the deposit could give."""

    seller_id: Id
    claim_id: Id
    order_id: Id
    amount: Price


class DepositRequired(Event, key="seller_id"):
    """The seller must pay `amount` to open the store, by the policy of version `policy`."""

    seller_id: Id
    amount: Price
    policy: Code


class DepositActivated(Event, key="seller_id"):
    """The deposit is paid in full: the seller may take orders."""

    seller_id: Id
    balance: Price


class DepositPaymentDeclined(Event, key="seller_id"):
    """The provider declined a payment of the deposit."""

    seller_id: Id
    reason: Code


class DepositSuspended(Event, key="seller_id"):
    """The seller may take no new orders until `missing` is paid or an operator lifts it (P3)."""

    seller_id: Id
    reason: SuspendReason
    missing: Money


class DepositClaimed(Event, key="seller_id"):
    """Answer to `ClaimDeposit`: the deposit paid `paid` (maybe nothing) of `asked`; the platform covers the rest."""

    seller_id: Id
    claim_id: Id
    order_id: Id
    asked: Price
    paid: Money


class CommandRefused(Refusal, key="subject"):
    """A command to deposits that came by Kafka was refused."""
