"""Money is whole minor units: nothing is made, lost or rounded on the way in, out, or in between."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.currencies import EXPONENTS
from contracts.money import MAX_MINOR_UNITS, Money, MoneyError, Price, major_units, share, total

amounts = st.integers(0, MAX_MINOR_UNITS)
currencies = st.sampled_from(sorted(EXPONENTS))


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_every_currency_writes_its_own_decimals(currency: str) -> None:
    text = major_units(1234567, currency)
    _, _, decimals = text.partition(".")
    assert len(decimals) == EXPONENTS[currency]
    assert Money.parse(text, currency) == Money(amount=1234567, currency=currency)


def test_exponents_are_those_of_iso_4217() -> None:
    assert (EXPONENTS["JPY"], EXPONENTS["EUR"], EXPONENTS["KWD"]) == (0, 2, 3)
    # Where the tables of CLDR say 0.
    assert {EXPONENTS[code] for code in ("AFN", "ALL", "IRR", "LBP", "MGA", "RSD")} == {2}
    assert EXPONENTS["IQD"] == 3


@given(amounts, currencies)
def test_what_is_written_is_read_back(amount: int, currency: str) -> None:
    assert Money.parse(major_units(amount, currency), currency) == Money(amount=amount, currency=currency)


@given(amounts, currencies)
def test_major_units_are_exact(amount: int, currency: str) -> None:
    assert Decimal(major_units(amount, currency)) * 10 ** EXPONENTS[currency] == amount


@given(st.text(max_size=30) | st.text("+-.0123456789eE_ ", max_size=30), st.text(max_size=4) | currencies)
def test_any_text_is_an_amount_or_a_money_error(text: str, currency: str) -> None:
    try:
        money = Money.parse(text, currency)
    except MoneyError as error:
        assert error.code
    else:
        assert Decimal(text.strip()) * 10 ** EXPONENTS[currency] == money.amount


@pytest.mark.parametrize(
    ("text", "currency", "code"),
    [
        ("10.505", "EUR", "wrong_exponent"),
        ("0.5", "JPY", "wrong_exponent"),
        ("1.2345", "KWD", "wrong_exponent"),
        ("-1", "EUR", "negative_amount"),
        ("92233720368547758.08", "EUR", "amount_too_large"),
        ("9223372036854775808", "JPY", "amount_too_large"),
        ("9" * 5000, "EUR", "amount_too_large"),
        ("10.50" + "0" * 30 + "1", "EUR", "wrong_exponent"),
        ("1e3", "EUR", "not_a_number"),
        ("1_000", "EUR", "not_a_number"),
        ("１０", "EUR", "not_a_number"),
        (".", "EUR", "not_a_number"),
        ("ten", "EUR", "not_a_number"),
        ("", "EUR", "not_a_number"),
        ("NaN", "EUR", "not_a_number"),
        ("sNaN", "EUR", "not_a_number"),
        ("Infinity", "EUR", "not_a_number"),
        ("10,50", "EUR", "not_a_number"),
        ("1", "EURO", "unknown_currency"),
        ("1", "eur", "unknown_currency"),
        ("1", "XAU", "unknown_currency"),
    ],
    ids=lambda value: value[:24],
)
def test_an_amount_that_cannot_be_is_refused_by_code(text: str, currency: str, code: str) -> None:
    with pytest.raises(MoneyError) as refusal:
        Money.parse(text, currency)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("10.50", "EUR", 1050),
        (" 10.5 ", "EUR", 1050),
        ("+7", "EUR", 700),
        (".5", "EUR", 50),
        ("5.", "EUR", 500),
        ("12.000", "JPY", 12),
        ("-0.00", "EUR", 0),
        ("0001.2340", "KWD", 1234),
        ("9223372036854775807", "JPY", MAX_MINOR_UNITS),
    ],
)
def test_ways_to_write_an_amount(text: str, currency: str, amount: int) -> None:
    assert Money.parse(text, currency) == Money(amount=amount, currency=currency)


def test_the_largest_amount_there_is() -> None:
    assert Money.parse("92233720368547758.07", "EUR").amount == MAX_MINOR_UNITS


@given(amounts, st.integers(0, 10_000))
def test_a_share_and_its_rest_are_the_whole(amount: int, basis_points: int) -> None:
    part = share(amount, basis_points)
    rest = amount - part
    assert 0 <= part <= amount
    # Rounding leaves less than one minor unit to the other party.
    assert 0 <= amount * basis_points - part * 10_000 < 10_000
    assert part + rest == amount


@given(amounts)
def test_the_shares_at_the_ends(amount: int) -> None:
    assert (share(amount, 0), share(amount, 10_000)) == (0, amount)


@pytest.mark.parametrize("basis_points", [-1, 10_001])
def test_a_share_outside_the_whole_is_refused(basis_points: int) -> None:
    with pytest.raises(ValueError, match="basis_points"):
        share(100, basis_points)


@given(st.lists(amounts, min_size=1, max_size=20), currencies)
def test_a_sum_is_exact_or_refused(units: list[int], currency: str) -> None:
    money = [Money(amount=amount, currency=currency) for amount in units]
    if sum(units) <= MAX_MINOR_UNITS:
        assert total(money) == Money(amount=sum(units), currency=currency)
    else:
        with pytest.raises(MoneyError) as refusal:
            total(money)
        assert refusal.value.code == "amount_too_large"


@given(amounts, amounts)
def test_a_difference_is_exact_or_refused(one: int, other: int) -> None:
    left, right = Money(amount=one, currency="EUR"), Money(amount=other, currency="EUR")
    if one >= other:
        assert left - right + right == left
    else:
        with pytest.raises(MoneyError) as refusal:
            left - right
        assert refusal.value.code == "negative_amount"


def test_currencies_do_not_mix_and_nothing_has_no_sum() -> None:
    euro, yen = Money(amount=1, currency="EUR"), Money(amount=1, currency="JPY")
    for mix in (lambda: euro + yen, lambda: euro - yen, lambda: total([euro, yen])):
        with pytest.raises(MoneyError) as refusal:
            mix()
        assert refusal.value.code == "currency_mismatch"
    with pytest.raises(MoneyError) as refusal:
        total([])
    assert refusal.value.code == "no_amounts"


def test_a_price_is_more_than_zero() -> None:
    with pytest.raises(ValidationError, match="more than zero"):
        TypeAdapter(Price).validate_python({"amount": 0, "currency": "EUR"})
