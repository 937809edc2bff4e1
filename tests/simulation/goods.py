"""What is bought, for how much, in which currency: the checkouts of a world."""

from datetime import timedelta

from contracts.currencies import EXPONENTS
from contracts.message import Actor, Role
from contracts.money import Money
from contracts.orders import OrderLine, PaymentMethod, PlaceOrder, Quote
from tests.simulation.scene import SUPPORT, Scene

CURRENCIES = ("EUR", "USD", "JPY", "KWD", "CNY", "BRL", "XAF")
"""Without decimals, with two and three; identity has no reference rate of the last, deposits none of it either."""
CATEGORIES = ("clothing", "electronics", "toys", "shoes", "garden")
COUNTRIES = ("CN", "US", "DE", "BR", "ES", "FR", "KR")
QUICK = (PaymentMethod.CREDIT_CARD, PaymentMethod.DEBIT_CARD, PaymentMethod.VIRTUAL_CARD, PaymentMethod.ALIPAY)
SLOW = (PaymentMethod.BANK_TRANSFER, PaymentMethod.WESTERN_UNION)


def checkout(scene: Scene, order_id: str, buyer: str, seller: str) -> PlaceOrder:
    """An order as an honest buyer places it."""
    rng = scene.rng
    currency = rng.choice(CURRENCIES[:-1]) if scene.chance(0.97) else CURRENCIES[-1]
    large = scene.chance(scene.habits.large)
    lines = tuple(
        OrderLine(
            line_no=number,
            sku=f"sku-{rng.randint(1, 99)}",
            category=rng.choice(CATEGORIES),
            quantity=rng.choice((1, 1, 1, 2, 7)),
            unit_price=_price(scene, currency, large=large and number == 1),
        )
        for number in range(1, rng.choice((1, 1, 2, 3, 4)) + 1)
    )
    by_buyer = scene.chance(0.9)
    locked = quote(scene, currency) if scene.chance(scene.habits.quotes) else None
    return PlaceOrder(
        # A rate that comes with the order is taken only from those who answer for it.
        actor=Actor(id=buyer, role=Role.BUYER) if by_buyer and locked is None else SUPPORT,
        order_id=order_id,
        buyer_id=buyer,
        seller_id=seller,
        buyer_country=scene.countries[buyer],
        seller_country=scene.countries[seller],
        lines=lines,
        quote=locked,
    )


def quote(scene: Scene, settlement: str) -> Quote:
    """A locked rate to some currency; quotes within one currency have the rate 1."""
    presentment = scene.rng.choice(CURRENCIES[:-1]) if scene.chance(0.97) else CURRENCIES[-1]
    rate = f"{scene.rng.choice((0.0012, 0.05, 0.9, 1.1, 7.3)) * scene.rng.uniform(0.5, 2):.6f}"
    return Quote(
        quote_id=f"quote-{scene.rng.randint(1, 10**6)}",
        presentment=presentment,
        settlement=settlement,
        rate="1" if presentment == settlement else rate,
        expires_at=scene.world.now + timedelta(hours=scene.rng.choice((6, 30))),
    )


def _price(scene: Scene, currency: str, *, large: bool) -> Money:
    rng = scene.rng
    if large:
        major = rng.randint(20_000, 90_000) * {"JPY": 150, "XAF": 600, "CNY": 8, "BRL": 6}.get(currency, 1)
        return Money(amount=major * 10 ** EXPONENTS[currency], currency=currency)
    if scene.chance(0.1):
        return Money(amount=rng.randint(1, 3), currency=currency)
    return Money(amount=rng.randint(1, 300) * 10 ** EXPONENTS[currency] + rng.randint(0, 99), currency=currency)
