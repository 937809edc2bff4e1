"""Checkout: from `PlaceOrder` to an order that waits for its payment."""

from datetime import datetime

from contracts.message import Role
from contracts.money import MAX_MINOR_UNITS
from contracts.orders import OrderPlaced, PlaceOrder, Quote
from orders.order import Happened, Line, LockedQuote, Order, Status, held_lines
from orders.policy import policy_at, policy_of
from orders.pricing import presented_amount, rate_as_fraction
from orders.quotes import quote_of
from orders.registers import Seller
from runtime.decision import Look, Outcome, Refused, Timer

PAY_BY = "pay_by"

ORDER_ID_LIMIT = 40
"""Characters. Ids of payments, refunds and payouts are made of the order id and must stay within the 64 of an id."""


def place(existing: Order | None, command: PlaceOrder, now: datetime, look: Look) -> Outcome[Order]:
    """Accepts an order, or raises `Refused`: forbidden, already_exists, invalid_order_id, invalid_parties,
    unknown_account, no_active_deposit, duplicate_line, mixed_currencies, invalid_quote, quote_expired,
    amount_too_large."""
    _may_place(command)
    if existing is not None:
        raise Refused("already_exists", "an order with this id exists; read it, or place a new one under a new id")
    _check_parties(command, look)
    currency = _check_lines(command)
    quote = quote_of(command, look)
    if quote is not None:
        _check_quote(quote, currency, now)
    policy = policy_at(now)
    order = Order(
        order_id=command.order_id,
        buyer_id=command.buyer_id,
        seller_id=command.seller_id,
        buyer_country=command.buyer_country,
        seller_country=command.seller_country,
        currency=currency,
        presentment=quote.presentment if quote else currency,
        lines=_priced(command, quote, currency),
        status=Status.AWAITING_PAYMENT,
        policy=policy.version,
        placed_at=now,
        pay_by=now + policy.pay_within,
        quote=LockedQuote(quote.quote_id, quote.rate) if quote else None,
        history=(Happened(now, "placed"),),
    )
    placed = OrderPlaced(
        order_id=order.order_id,
        buyer_id=order.buyer_id,
        seller_id=order.seller_id,
        buyer_country=order.buyer_country,
        seller_country=order.seller_country,
        lines=held_lines(order),
        pay_by=order.pay_by,
    )
    return Outcome(order, (placed,), (Timer(PAY_BY, payment_timer(order)),))


def payment_timer(order: Order) -> datetime:
    """When an unpaid order is looked at again: to remind the buyer, after that at the deadline. One timer for both, as
    most orders are paid before either."""
    return order.pay_by if order.reminded else order.pay_by - policy_of(order.policy).pay_reminder


def _may_place(command: PlaceOrder) -> None:
    actor = command.actor
    own = actor.role is Role.BUYER and actor.id == command.buyer_id
    if not own and actor.role not in (Role.SERVICE, Role.SUPPORT):
        raise Refused("forbidden", "only the buyer places an order; buyer_id must be the actor's id")


def _check_parties(command: PlaceOrder, look: Look) -> None:
    if len(command.order_id) > ORDER_ID_LIMIT:
        raise Refused("invalid_order_id", f"order ids have at most {ORDER_ID_LIMIT} characters")
    if command.buyer_id == command.seller_id:
        raise Refused("invalid_parties", "buyer and seller must be two persons")
    if look("people", command.buyer_id) is None:
        raise Refused("unknown_account", "the buyer has no account; open one first")
    seller: Seller | None = look("sellers", command.seller_id)
    if seller is None or not seller.may_sell:
        raise Refused("no_active_deposit", "the seller has no active deposit and takes no orders now")


def _check_lines(command: PlaceOrder) -> str:
    if len({line.line_no for line in command.lines}) < len(command.lines):
        raise Refused("duplicate_line", "two lines have the same line_no; number each line once")
    currencies = {line.unit_price.currency for line in command.lines}
    if len(currencies) > 1:
        raise Refused("mixed_currencies", "all lines of an order are priced in one currency; place one order each")
    return currencies.pop()


def _check_quote(quote: Quote, currency: str, now: datetime) -> None:
    if quote.settlement != currency:
        raise Refused("invalid_quote", f"the quote settles in {quote.settlement}, the lines are priced in {currency}")
    numerator, decimals = rate_as_fraction(quote.rate)
    if quote.presentment == quote.settlement and numerator != 10**decimals:
        raise Refused("invalid_quote", "a quote within one currency has the rate 1; leave the quote out")
    if quote.expires_at <= now:
        raise Refused("quote_expired", "the quote is no longer valid; ask for a new one and place the order with it")


def _priced(command: PlaceOrder, quote: Quote | None, currency: str) -> tuple[Line, ...]:
    lines = []
    for line in command.lines:
        price = line.quantity * line.unit_price.amount
        presented = presented_amount(price, currency, quote.presentment, quote.rate) if quote else price
        lines.append(Line(line.line_no, line.sku, line.category, line.quantity, line.unit_price.amount, presented))
    if max(sum(line.price for line in lines), sum(line.presented for line in lines)) > MAX_MINOR_UNITS:
        raise Refused("amount_too_large", "the order is worth more than a 64-bit count of minor units holds; split it")
    return tuple(lines)
