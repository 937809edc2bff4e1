"""How the people of one world behave: drawn once by its seed, so that worlds differ in what happens often."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Habits:
    """Chances, each on its occasion."""

    orders: int
    rush: bool
    """Everything is ordered in one day by few buyers."""
    impatience: float
    mischief: int
    """How many things are done that one should not do, over the whole time."""
    never_pays: float
    cancels: float
    ships_never: float
    delivered_never: float
    strays: float
    """Share of parcels that the carrier loses or brings back."""
    confirms: float
    disputes: float
    disputes_after: float
    withdraws: float
    returns: float
    """Share of rulings that ask for a return or a replacement."""
    chargebacks: float
    large: float
    quotes: float
    payments_fail: float
    refunds_fail: float
    payouts_fail: float
    answers_lost: float
    """Share of orders whose refunds and payouts are not answered, or never arrive at the provider."""
    provider_away: float
    others_away: float
    operators_sleep: float
    suspends: float


def drawn(rng: Random) -> Habits:
    """The habits of one world."""

    def often(usual: float, heavy: float) -> float:
        return heavy if rng.random() < 0.25 else usual * rng.uniform(0, 2)

    return Habits(
        orders=rng.randint(8, 16),
        rush=rng.random() < 0.08,
        impatience=often(0.06, 0.3),
        mischief=rng.choice((6, 12, 30)),
        never_pays=often(0.02, 0.15),
        cancels=often(0.05, 0.35),
        ships_never=often(0.04, 0.2),
        delivered_never=often(0.12, 0.4),
        strays=often(0.12, 0.4),
        confirms=often(0.4, 0.8),
        disputes=often(0.25, 0.8),
        disputes_after=often(0.25, 0.9),
        withdraws=often(0.15, 0.5),
        returns=often(0.35, 0.9),
        chargebacks=often(0.08, 0.6),
        large=often(0.06, 0.5),
        quotes=often(0.4, 0.9),
        payments_fail=often(0.08, 0.4),
        refunds_fail=often(0.08, 0.5),
        payouts_fail=often(0.12, 0.9),
        answers_lost=often(0.1, 0.6),
        provider_away=often(0.05, 0.4),
        others_away=often(0.03, 0.3),
        operators_sleep=often(0.1, 0.9),
        suspends=often(0.1, 0.5),
    )
