"""Payments that a buyer's bank took back, by reference."""

import hashlib
from datetime import datetime

import msgspec
from msgspec.structs import replace

from contracts.message import Message
from contracts.money import Money
from contracts.payments import ChargebackReceived, ChargebackReversed
from runtime.decision import Look, Outcome, Refused, TimeUp
from simulators.payments.control import ReportChargeback, ReverseChargeback


class Chargeback(msgspec.Struct, frozen=True):
    """One chargeback; `amount` in minor units."""

    chargeback_id: str
    amount: int
    currency: str
    reason: str
    received_at: datetime
    reversed_at: datetime | None = None


class Chargebacks(msgspec.Struct, frozen=True):
    """All chargebacks under one reference, oldest first."""

    reference: str
    chargebacks: tuple[Chargeback, ...] = ()


def decide(state: Chargebacks | None, message: Message | TimeUp, now: datetime, look: Look) -> Outcome[Chargebacks]:
    """Decides one message for one reference. Refuses: not_found, already_reversed."""
    match message:
        case ReportChargeback():
            return _report(state or Chargebacks(message.reference), message, now)
        case ReverseChargeback():
            return _reverse(state or Chargebacks(message.reference), message, now)
    raise TypeError(f"chargebacks do not decide {type(message).__name__}")


def _report(state: Chargebacks, command: ReportChargeback, now: datetime) -> Outcome[Chargebacks]:
    amount = command.amount
    id = _chargeback_id(command.reference, len(state.chargebacks) + 1)
    received = Chargeback(id, amount.amount, amount.currency, command.reason, now)
    event = ChargebackReceived(chargeback_id=id, reference=command.reference, amount=amount, reason=command.reason)
    return Outcome(replace(state, chargebacks=(*state.chargebacks, received)), [event])


def _reverse(state: Chargebacks, command: ReverseChargeback, now: datetime) -> Outcome[Chargebacks]:
    found = next((one for one in state.chargebacks if one.chargeback_id == command.chargeback_id), None)
    if found is None:
        raise Refused("not_found", "there is no chargeback of this id under this reference")
    if found.reversed_at:
        raise Refused("already_reversed", "the bank gave this amount back before")
    given_back = replace(found, reversed_at=now)
    event = ChargebackReversed(
        chargeback_id=found.chargeback_id,
        reference=command.reference,
        amount=Money(amount=found.amount, currency=found.currency),
    )
    others = tuple(given_back if one is found else one for one in state.chargebacks)
    return Outcome(replace(state, chargebacks=others), [event])


def _chargeback_id(reference: str, number: int) -> str:
    """A reference too long for the limit of ids stands in it by its hash."""
    plain = f"chargeback-{reference}-{number}"
    if len(plain) <= 64:
        return plain
    return f"chargeback-{hashlib.sha256(reference.encode()).hexdigest()[:32]}-{number}"
