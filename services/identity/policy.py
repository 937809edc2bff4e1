"""Dated numbers of the identity service: what stops an order, and what an appeal must show.

Sources: an order of 10,000 USD or more and bulk orders are risk signals (I1); an appeal needs a card picture, an ID
card, passport or driving licence, and a statement (I3) at most three months old on the day of submission (I4).
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import ceil
from typing import Protocol, TypeVar

from contracts.currencies import EXPONENTS
from contracts.identity import DocumentKind


@dataclass(frozen=True, slots=True)
class ScreeningPolicy:
    """What stops an order from `valid_from` on.

    `large_order` maps a currency to the minor units from which an order is large, made of one limit in USD and
    reference rates. `bulk_orders` orders of one account within `bulk_within` are bulk; `remembered` (at least
    `bulk_orders`) is how many of an account's latest orders are kept to count them and to answer a repeated question.
    """

    version: str
    valid_from: date
    large_order: Mapping[str, int]
    bulk_orders: int
    bulk_within: timedelta
    remembered: int


@dataclass(frozen=True, slots=True)
class Proof:
    """Something an appeal must show, by any one of the documents in `kinds`; `alternatives` add kinds by country."""

    name: str
    kinds: tuple[DocumentKind, ...]
    alternatives: Mapping[str, tuple[DocumentKind, ...]]
    months: int | None = None
    """Oldest age on the day of submission, in calendar months; None: any age."""

    def accepted(self, country: str | None) -> tuple[DocumentKind, ...]:
        """The kinds that prove it for someone of this country (None: not known)."""
        return self.kinds + self.alternatives.get(country or "", ())


@dataclass(frozen=True, slots=True)
class AppealPolicy:
    """What an appeal must show from `valid_from` on. A document may be dated `ahead` of the UTC day, because it is
    later in some places of the world."""

    version: str
    valid_from: date
    proofs: tuple[Proof, ...]
    ahead: timedelta


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...


V = TypeVar("V", bound=_Dated)


def in_force(versions: Sequence[V], day: date) -> V:
    """The version in force on `day` (UTC); before the first one, the first one."""
    for version in reversed(versions):
        if version.valid_from <= day:
            return version
    return versions[0]


def months_before(day: date, months: int) -> date:
    """The same day of the month `months` earlier, or the last day of that month where it is shorter."""
    month = day.year * 12 + day.month - 1 - months
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _limits(usd: str, rates: str) -> Mapping[str, int]:
    """`usd` (major units) in minor units of each currency, rounded up; `rates` are pairs of currency and USD for one
    major unit."""
    words = rates.split()
    return {
        currency: ceil(Fraction(usd) / Fraction(rate) * 10 ** EXPONENTS[currency])
        for currency, rate in zip(words[::2], words[1::2], strict=True)
    }


_LARGE_ORDER_USD = "10000"

SCREENING_POLICIES = (
    ScreeningPolicy(
        version="screening_2020",
        valid_from=date(2020, 1, 1),
        large_order=_limits(
            _LARGE_ORDER_USD,
            "USD 1 EUR 1.14 GBP 1.28 CNY 0.145 JPY 0.0094 KRW 0.00085 KWD 3.26 BRL 0.194 AUD 0.69 CAD 0.746",
        ),
        bulk_orders=20,
        bulk_within=timedelta(hours=24),
        remembered=40,
    ),
    ScreeningPolicy(
        version="screening_2025",
        valid_from=date(2025, 1, 1),
        large_order=_limits(
            _LARGE_ORDER_USD,
            """
            USD 1       EUR 1.08    GBP 1.28    CNY 0.139   JPY 0.00667 KRW 0.000705 KWD 3.25   BRL 0.172
            AUD 0.643   CAD 0.715   CHF 1.145   SEK 0.096   NOK 0.0917  DKK 0.145    PLN 0.253  CZK 0.0432
            HKD 0.1286  TWD 0.0319  SGD 0.748   INR 0.01177 MXN 0.0516  TRY 0.027    AED 0.2723 SAR 0.2667
            ILS 0.277   ZAR 0.0547  UAH 0.0241  THB 0.0296  VND 0.0000395            BHD 2.653  CLP 0.00104
            """,
        ),
        bulk_orders=10,
        bulk_within=timedelta(hours=24),
        remembered=20,
    ),
)

_STATEMENT_ALTERNATIVES = dict.fromkeys(("BR", "IN", "MX", "NG", "PH", "UA", "VN"), (DocumentKind.UTILITY_BILL,))

APPEAL_POLICIES = (
    AppealPolicy(
        version="appeals_2020",
        valid_from=date(2020, 1, 1),
        proofs=(
            Proof("card", (DocumentKind.CARD_PICTURE,), {}),
            Proof("identity", (DocumentKind.ID_CARD, DocumentKind.PASSPORT, DocumentKind.DRIVING_LICENCE), {}),
            Proof("statement", (DocumentKind.CARD_STATEMENT,), _STATEMENT_ALTERNATIVES, months=3),
        ),
        ahead=timedelta(days=1),
    ),
)
