"""Money: whole minor units and an ISO 4217 code, never a float."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from contracts.currencies import EXPONENTS

MAX_MINOR_UNITS = 2**63 - 1
"""The largest amount a PostgreSQL bigint holds."""

# By hand, not by `Decimal`: that takes 1e3 and digits of other scripts, and rounds to the precision of its context.
_DECIMAL = re.compile(r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<whole>[0-9]*)(\.(?P<decimals>[0-9]*))?")


class MoneyError(ValueError):
    """An amount that cannot be: `code` is stable, the text says what to do."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def _known(code: str) -> str:
    if code not in EXPONENTS:
        raise MoneyError("unknown_currency", f"{code!r} is not an ISO 4217 code; use one such as EUR, JPY or KWD")
    return code


Currency = Annotated[
    str,
    AfterValidator(_known),
    Field(description="ISO 4217 code", examples=["EUR"], json_schema_extra={"pattern": "^[A-Z]{3}$"}),
]
MinorUnits = Annotated[int, Field(strict=True, ge=0, le=MAX_MINOR_UNITS, description="whole minor units")]


class Money(BaseModel):
    """An amount of one currency in whole minor units (cents for EUR, yen for JPY, fils for KWD), never negative.

    Arithmetic refuses to mix currencies and to leave the range of a 64-bit integer (`MoneyError`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: MinorUnits
    currency: Currency

    @classmethod
    def parse(cls, text: str, currency: str) -> Self:
        """Major units as decimal text: `parse("10.50", "EUR")` is 1050 cents.

        Raises `MoneyError`: unknown_currency, not_a_number, negative_amount, wrong_exponent, amount_too_large.
        """
        exponent = EXPONENTS[_known(currency)]
        number = _DECIMAL.fullmatch(text.strip())
        if number is None:
            raise MoneyError("not_a_number", f"{text[:40]!r} is not a decimal number; write it like 10.50")
        sign, whole, decimals = number["sign"], number["whole"].lstrip("0"), (number["decimals"] or "").rstrip("0")
        if sign == "-" and (whole or decimals):
            raise MoneyError("negative_amount", f"{text[:40]} is negative; amounts are zero or more")
        if len(decimals) > exponent:
            raise MoneyError("wrong_exponent", f"{text[:40]} has more than the {exponent} decimals of {currency}")
        # 2^63 has 19 digits; a longer number need not be converted to be too large.
        minor = int((whole + decimals.ljust(exponent, "0")) or "0") if len(whole) <= 19 else MAX_MINOR_UNITS + 1
        if minor > MAX_MINOR_UNITS:
            raise MoneyError("amount_too_large", f"{text[:40]} {currency} is more than 2^63 - 1 minor units")
        return cls(amount=minor, currency=currency)

    def __add__(self, other: "Money") -> "Money":
        self._same(other)
        total = self.amount + other.amount
        if total > MAX_MINOR_UNITS:
            raise MoneyError("amount_too_large", "the sum is more than a 64-bit count of minor units holds")
        return Money(amount=total, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        self._same(other)
        if other.amount > self.amount:
            raise MoneyError("negative_amount", f"{self} less {other} is negative")
        return Money(amount=self.amount - other.amount, currency=self.currency)

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise MoneyError("currency_mismatch", f"{self.currency} and {other.currency} cannot be added")

    def __str__(self) -> str:
        return f"{major_units(self.amount, self.currency)} {self.currency}"


def _positive(money: Money) -> Money:
    if money.amount == 0:
        raise MoneyError("zero_amount", "the amount must be more than zero")
    return money


Price = Annotated[Money, AfterValidator(_positive), Field(json_schema_extra={"properties": {"amount": {"minimum": 1}}})]
"""Money of at least one minor unit."""


def major_units(amount: int, currency: str) -> str:
    """Decimal text in major units, with the currency's own number of decimals: 1050 EUR is "10.50"."""
    exponent = EXPONENTS[currency]
    return str(Decimal(amount).scaleb(-exponent)) if exponent else str(amount)


def total(amounts: Sequence[Money]) -> Money:
    """The sum of one or more amounts of one currency."""
    if not amounts:
        raise MoneyError("no_amounts", "a sum needs at least one amount, to know its currency")
    first, *rest = amounts
    for money in rest:
        first = first + money
    return first


def share(amount: int, basis_points: int) -> int:
    """`basis_points` (hundredths of a percent, 0 to 10,000) of `amount` minor units, rounded down.

    What rounding leaves stays with the party that is paid the rest, so no minor unit is made or lost.
    """
    if not 0 <= basis_points <= 10_000:
        raise ValueError(f"basis_points must be 0 to 10000, not {basis_points}")
    return amount * basis_points // 10_000
