"""Quotes: an exchange rate locked for one buyer at checkout (E3). Pure decisions."""

from datetime import datetime

import msgspec

from contracts.message import Role
from contracts.orders import PlaceOrder, Quote, QuoteIssued, RequestQuote
from orders.policy import policy_at
from orders.rates import rate_at
from runtime.decision import Look, Outcome, Refused


class Issued(msgspec.Struct, frozen=True):
    """A quote as it was given. It stays as it is; an order that names it keeps the rate for good."""

    quote_id: str
    buyer_id: str
    presentment: str
    settlement: str
    rate: str
    expires_at: datetime


def decide_quote(quote: Issued | None, command: RequestQuote, now: datetime, look: Look) -> Outcome[Issued]:
    """Issues a quote, or raises `Refused`: forbidden, already_exists, unknown_account, invalid_quote, no_rate."""
    actor = command.actor
    if actor.role not in (Role.SERVICE, Role.SUPPORT) and (actor.role, actor.id) != (Role.BUYER, command.buyer_id):
        raise Refused("forbidden", "a buyer asks for quotes of their own; buyer_id must be the actor's id")
    if quote is not None:
        if (quote.buyer_id, quote.presentment, quote.settlement) == (
            command.buyer_id,
            command.presentment,
            command.settlement,
        ):
            return Outcome(note="the quote stands as it was issued")
        raise Refused("already_exists", "this quote_id was used for another quote; use a new one")
    if look("people", command.buyer_id) is None:
        raise Refused("unknown_account", "the buyer has no account; open one first")
    if command.presentment == command.settlement:
        raise Refused("invalid_quote", "within one currency nothing is exchanged; place the order without a quote")
    rate = rate_at(now, command.presentment, command.settlement)
    if rate is None:
        raise Refused("no_rate", f"there is no rate of {command.settlement} in {command.presentment}; pay in another")
    issued = Issued(
        quote_id=command.quote_id,
        buyer_id=command.buyer_id,
        presentment=command.presentment,
        settlement=command.settlement,
        rate=rate,
        expires_at=now + policy_at(now).quote_valid,
    )
    return Outcome(issued, (QuoteIssued(**msgspec.structs.asdict(issued)),))


def quote_of(command: PlaceOrder, look: Look) -> Quote | None:
    """The quote an order is placed with, if any. A rate that a buyer brings along counts only as it was issued to
    them. Raises `Refused`: invalid_quote."""
    if command.quote is None and command.quote_id is None:
        return None
    if command.quote_id is None:
        if command.actor.role is Role.BUYER:
            raise Refused("invalid_quote", "ask for a quote, and place the order with its quote_id")
        return command.quote
    issued: Issued | None = look("quotes", command.quote_id)
    if issued is None or issued.buyer_id != command.buyer_id:
        raise Refused("invalid_quote", "there is no such quote of this buyer; ask for a new one")
    if command.quote is not None and command.quote != _as_quote(issued):
        raise Refused("invalid_quote", "the quote is not as it was issued; leave it out, its quote_id says it all")
    return _as_quote(issued)


def _as_quote(issued: Issued) -> Quote:
    return Quote(
        quote_id=issued.quote_id,
        presentment=issued.presentment,
        settlement=issued.settlement,
        rate=issued.rate,
        expires_at=issued.expires_at,
    )
