"""Exchange rates for quotes, by date: the table that stands in for a rate provider. Pure.

A deployment puts its own source behind `rate_at`: nothing else in orders knows where a rate comes from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Final

DECIMALS: Final = Decimal("0.000000001")
"""A rate has at most nine decimals."""


@dataclass(frozen=True, slots=True)
class RateTable:
    """What one US dollar is worth from `valid_from` on, in major units of each currency, as decimal text."""

    valid_from: datetime
    per_dollar: Mapping[str, str]


TABLES: Final[Sequence[RateTable]] = (
    RateTable(
        datetime(2010, 1, 1, tzinfo=UTC),
        {
            "AUD": "1.50", "BRL": "5.10", "CAD": "1.36", "CHF": "0.89", "CLP": "930", "CNY": "7.20", "CZK": "23.1",
            "DKK": "6.87", "EUR": "0.92", "GBP": "0.79", "HUF": "362", "ILS": "3.68", "INR": "83.2", "JPY": "150",
            "KRW": "1330", "KWD": "0.307", "MXN": "17.1", "NOK": "10.6", "NZD": "1.64", "PLN": "3.98", "RUB": "91.5",
            "SEK": "10.4", "TRY": "31.0", "UAH": "38.2", "USD": "1", "ZAR": "18.8",
        },
    ),
    RateTable(
        datetime(2026, 1, 1, tzinfo=UTC),
        {
            "AUD": "1.52", "BRL": "5.40", "CAD": "1.38", "CHF": "0.80", "CLP": "940", "CNY": "7.05", "CZK": "20.9",
            "DKK": "6.40", "EUR": "0.86", "GBP": "0.75", "HUF": "335", "ILS": "3.30", "INR": "88.5", "JPY": "154",
            "KRW": "1440", "KWD": "0.306", "MXN": "18.4", "NOK": "10.1", "NZD": "1.75", "PLN": "3.65", "RUB": "81.0",
            "SEK": "9.45", "TRY": "42.0", "UAH": "42.1", "USD": "1", "ZAR": "17.3",
        },
    ),
)  # fmt: skip
"""Oldest first; a new day is a new table, never an edit."""


def rate_at(moment: datetime, presentment: str, settlement: str, tables: Sequence[RateTable] = TABLES) -> str | None:
    """Major units of `presentment` for one of `settlement`, as decimal text with at most nine decimals, rounded half
    up; None where there is no rate, or it is too small to be written so."""
    table = next((each for each in reversed(tables) if each.valid_from <= moment), tables[0])
    if presentment not in table.per_dollar or settlement not in table.per_dollar:
        return None
    with localcontext(prec=40):
        rate = Decimal(table.per_dollar[presentment]) / Decimal(table.per_dollar[settlement])
        text = f"{rate.quantize(DECIMALS, rounding=ROUND_HALF_UP):f}".rstrip("0").rstrip(".")
    return text if text.strip("0.") else None
