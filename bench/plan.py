"""What is asked of every system under test: order number n, its parties, its money and its fate. Pure, and the same for
a seed everywhere. Standard library only, because peers import it in environments of their own."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

BLOCK = 100
"""Fates are dealt by the hundred: every hundred orders holds exactly the shares of the mix, in shuffled places."""
CURRENCY = "EUR"
SPLIT_BASIS_POINTS = 5_000
"""The buyer's part of a disputed order, in hundredths of a percent."""


class Fate(StrEnum):
    """How an order ends."""

    CONFIRMED = "confirmed"
    """Shipped, delivered, confirmed: released to the seller."""
    DISPUTED = "disputed"
    """Shipped, delivered, disputed: split between buyer and seller."""
    UNSHIPPED = "unshipped"
    """Never shipped: refunded when the time to ship is over."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The shares of fates, in percent, and among how many parties the orders go round."""

    seed: int = 2026
    disputed: int = 5
    unshipped: int = 2
    sellers: int = 500
    buyers: int = 5_000


@dataclass(frozen=True, slots=True)
class Order:
    """One order of one line: `quantity` pieces at `unit_price` minor units of `CURRENCY`."""

    number: int
    order_id: str
    buyer_id: str
    seller_id: str
    quantity: int
    unit_price: int
    fate: Fate

    @property
    def amount(self) -> int:
        """Minor units that the buyer pays."""
        return self.quantity * self.unit_price

    @property
    def to_buyer(self) -> int:
        """Minor units the buyer has back in the end."""
        match self.fate:
            case Fate.CONFIRMED:
                return 0
            case Fate.DISPUTED:
                return self.amount * SPLIT_BASIS_POINTS // 10_000
            case Fate.UNSHIPPED:
                return self.amount


def order(mix: Mix, run: str, number: int) -> Order:
    """Order `number` (from 0) of a run; `run` tells the ids of one run from those of another. Ids sort by number, as
    the time-ordered ids do that a marketplace should make."""
    scattered = number * 2_654_435_761 + mix.seed
    return Order(
        number,
        f"{run}-{number:08d}",
        buyer_id(number % mix.buyers),
        seller_id(scattered % mix.sellers),
        1 + scattered % 3,
        500 + scattered % 19_500,
        fate(mix, number),
    )


def orders(mix: Mix, run: str, count: int, first: int = 0) -> Iterator[Order]:
    """`count` orders of a run, beginning with number `first`."""
    return (order(mix, run, number) for number in range(first, first + count))


def fate(mix: Mix, number: int) -> Fate:
    """The fate of order `number`."""
    return _block(mix, number // BLOCK)[number % BLOCK]


def tally(mix: Mix, count: int, first: int = 0) -> dict[Fate, int]:
    """How many of `count` orders from `first` on have which fate."""
    found = dict.fromkeys(Fate, 0)
    for number in range(first, first + count):
        found[fate(mix, number)] += 1
    return found


def buyer_id(number: int) -> str:
    """The id of a buyer, by number from 0."""
    return f"buyer-{number:06d}"


def seller_id(number: int) -> str:
    """The id of a seller, by number from 0."""
    return f"seller-{number:05d}"


@lru_cache(maxsize=4096)
def _block(mix: Mix, block: int) -> tuple[Fate, ...]:
    normal = BLOCK - mix.disputed - mix.unshipped
    dealt = [Fate.DISPUTED] * mix.disputed + [Fate.UNSHIPPED] * mix.unshipped + [Fate.CONFIRMED] * normal
    random.Random(f"{mix.seed}/{block}").shuffle(dealt)
    return tuple(dealt)
