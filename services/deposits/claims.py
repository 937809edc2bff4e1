"""What a deposit can give to a claim, across currencies, without ever giving more than it has."""

from math import ceil, floor
from typing import NamedTuple

from contracts.money import Money
from deposits.policy import Rates, exchange_rate


class Answer(NamedTuple):
    """`paid` in minor units of the claim's currency, `deducted` in those of the deposit's. `code` is "" when the claim
    is paid in full, else why it is not: nothing_deposited, no_reference_rate, balance_exhausted."""

    paid: int
    deducted: int
    code: str


def settle(asked: Money, balance: int, currency: str, rates: Rates) -> Answer:
    """Pays a claim of `asked` from a deposit of `balance` minor units of `currency`.

    What is paid is rounded down and what it costs the deposit is rounded up, so that the deduction always covers the
    payment and never exceeds the balance: paid ≤ balance·r, hence paid/r ≤ balance, a whole number, hence ⌈paid/r⌉ ≤
    balance too. A currency without a reference rate is paid nothing.
    """
    if not balance:
        return Answer(0, 0, "nothing_deposited")
    rate = exchange_rate(rates, currency, asked.currency)
    if rate is None:
        return Answer(0, 0, "no_reference_rate")
    paid = min(asked.amount, floor(balance * rate))
    return Answer(paid, ceil(paid / rate), "" if paid == asked.amount else "balance_exhausted")
