"""What a test, a demo or an operator tells the provider to do. Not part of the contracts: a real provider has none."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.message import Code, Command, Id
from contracts.money import Price


class Misbehaviour(StrEnum):
    """What may go wrong with an operation."""

    DECLINE = "decline"
    """A payment is declined."""
    FAIL_REFUND = "fail_refund"
    FAIL_PAYOUT = "fail_payout"
    SILENT = "silent"
    """The operation takes its course, but the result is only told when asked for."""
    LOST = "lost"
    """The first request never arrives: nothing happens, and a query finds no such operation."""


class ScriptOperation(Command, key="target", owner="payments"):
    """Operations of `target` (an operation id, or a reference and so all its operations) are to go wrong.

    With `attempts`, only operations whose id ends in a number up to that (`refund-o1-2` is the second attempt). Rules
    of different outcomes add up; the same outcome again replaces. Operations already begun keep their course.
    """

    target: Id
    outcome: Misbehaviour
    reason: Code | None = None
    attempts: Annotated[int, Field(strict=True, ge=1)] | None = None


class ClearScript(Command, key="target", owner="payments"):
    """From now on nothing goes wrong by script with operations of `target`."""

    target: Id


class ReportChargeback(Command, key="reference", owner="payments"):
    """The buyer's bank takes `amount` of the payment under `reference` back."""

    reference: Id
    amount: Price
    reason: Code


class ReverseChargeback(Command, key="reference", owner="payments"):
    """The bank gives a charged-back amount back."""

    reference: Id
    chargeback_id: Id
