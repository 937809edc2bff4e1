"""A payment provider's daily statement: what it says moved on one day, to be compared with the ledger.

Fetched over HTTP from the provider; not a message. Amounts are minor units in the currency that moved, as the payer
paid or the receiver got them.
"""

from datetime import date
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from contracts.message import Id, Moment
from contracts.money import Price


class EntryKind(StrEnum):
    """What moved: in from a payer, back to one, out to a seller, or taken back by the payer's bank and returned."""

    PAYMENT = "payment"
    REFUND = "refund"
    PAYOUT = "payout"
    CHARGEBACK = "chargeback"
    CHARGEBACK_REVERSAL = "chargeback_reversal"


class StatementEntry(BaseModel):
    """One movement of money. `operation_id` as we named it (of a chargeback: the payment's), `reference` the order id,
    or the seller id for a deposit; `at` when it was booked, UTC."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    operation_id: Id
    reference: Id
    kind: EntryKind
    amount: Price
    at: Moment


class Statement(BaseModel):
    """All entries of one day (UTC), in the order they were booked; a day without movements has none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    provider: Id
    day: date
    closed_at: Moment
    entries: tuple[StatementEntry, ...]
