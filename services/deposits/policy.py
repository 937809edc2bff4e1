"""Dated numbers of the deposits service: how much a seller must deposit, reference rates, and how long payments take.

Sources: a deposit is asked by category, country and date; clothing is 8,000 CNY in 2025, electronics more, thousands
to tens of thousands (P1). Rates are reference rates for claims across currencies, not trading rates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Protocol, TypeVar

from contracts.currencies import EXPONENTS
from contracts.money import Money
from contracts.orders import PaymentMethod

ANY = "*"


@dataclass(frozen=True, slots=True)
class DepositPolicy:
    """What deposits need from `valid_from` on; a deposit keeps the version it was opened under.

    `required` maps (category, country) to the amount; `*` stands for any. `answer_within` says after how long without
    an answer the provider is asked what became of a payment, and `ask_again_every` how often from then on.
    """

    version: str
    valid_from: date
    required: Mapping[tuple[str, str], Money]
    answer_within: Mapping[PaymentMethod, timedelta]
    ask_again_every: timedelta


@dataclass(frozen=True, slots=True)
class Rates:
    """Reference rates from `valid_from` on: CNY for one major unit of a currency, exact."""

    version: str
    valid_from: date
    cny: Mapping[str, Fraction]


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...


V = TypeVar("V", bound=_Dated)


def in_force(versions: Sequence[V], day: date) -> V:
    """The version in force on `day` (UTC); before the first one, the first one."""
    return next((version for version in reversed(versions) if version.valid_from <= day), versions[0])


def deposit_policy(version: str) -> DepositPolicy:
    """The policy of this version; KeyError when there never was one."""
    return _POLICY_BY_VERSION[version]


def required_deposit(policy: DepositPolicy, category: str, country: str) -> Money:
    """What a seller of this category and country must deposit: the most exact entry wins, the category before the
    country."""
    amounts = policy.required
    for place in ((category, country), (category, ANY), (ANY, country)):
        if place in amounts:
            return amounts[place]
    return amounts[ANY, ANY]


def exchange_rate(rates: Rates, source: str, target: str) -> Fraction | None:
    """Minor units of `target` for one minor unit of `source`, exact; None when a rate is not known."""
    if source == target:
        return Fraction(1)
    if source not in rates.cny or target not in rates.cny:
        return None
    return rates.cny[source] / rates.cny[target] * Fraction(10) ** (EXPONENTS[target] - EXPONENTS[source])


def _amounts(table: str) -> Mapping[tuple[str, str], Money]:
    """Lines of category, country, amount in major units, currency."""
    rows = (line.split() for line in table.strip().splitlines())
    return {(category, country): Money.parse(amount, currency) for category, country, amount, currency in rows}


def _rates(table: str) -> Mapping[str, Fraction]:
    """Pairs of currency and CNY for one major unit."""
    words = table.split()
    return {currency: Fraction(rate) for currency, rate in zip(words[::2], words[1::2], strict=True)}


_SECONDS_METHODS_WITHIN = timedelta(minutes=15)
_ANSWER_WITHIN = dict.fromkeys(PaymentMethod, _SECONDS_METHODS_WITHIN) | {
    PaymentMethod.BANK_TRANSFER: timedelta(days=4),
    PaymentMethod.WESTERN_UNION: timedelta(days=5),
}

DEPOSIT_POLICIES = (
    DepositPolicy(
        version="deposits_2020",
        valid_from=date(2020, 1, 1),
        required=_amounts(
            """
            clothing     *   10000 CNY
            electronics  *   30000 CNY
            *            *   10000 CNY
            """
        ),
        answer_within=_ANSWER_WITHIN,
        ask_again_every=timedelta(hours=6),
    ),
    DepositPolicy(
        version="deposits_2025",
        valid_from=date(2025, 1, 1),
        required=_amounts(
            """
            clothing     *    8000 CNY
            clothing     KR   1500000 KRW
            shoes        *    8000 CNY
            electronics  *   30000 CNY
            electronics  US   4500 USD
            phones       *   50000 CNY
            jewellery    *   50000 CNY
            toys         *   10000 CNY
            *            ES   1300 EUR
            *            FR   1300 EUR
            *            IT   1300 EUR
            *            US   1500 USD
            *            *   10000 CNY
            """
        ),
        answer_within=_ANSWER_WITHIN,
        ask_again_every=timedelta(hours=6),
    ),
)
_POLICY_BY_VERSION = {policy.version: policy for policy in DEPOSIT_POLICIES}

RATES = (
    Rates(
        version="rates_2020",
        valid_from=date(2020, 1, 1),
        cny=_rates("CNY 1 USD 6.90 EUR 7.87 GBP 8.85 JPY 0.0646 KRW 0.00585 KWD 22.5 BRL 1.34 AUD 4.76 CAD 5.15"),
    ),
    Rates(
        version="rates_2025",
        valid_from=date(2025, 1, 1),
        cny=_rates(
            """
            CNY 1       USD 7.19    EUR 7.77    GBP 9.20    JPY 0.0479  KRW 0.00507  KWD 23.4   BRL 1.24
            AUD 4.62    CAD 5.14    CHF 8.23    SEK 0.69    NOK 0.66    DKK 1.04     PLN 1.82   CZK 0.31
            HKD 0.925   TWD 0.229   SGD 5.38    INR 0.0846  MXN 0.371   TRY 0.194    AED 1.96   SAR 1.92
            ILS 1.99    ZAR 0.393   UAH 0.173   THB 0.213   VND 0.000284             BHD 19.1   CLP 0.00747
            """
        ),
    ),
)
