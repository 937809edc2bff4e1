"""What the buyer pays for a line, in the buyer's own currency (E3)."""

from contracts.currencies import EXPONENTS


def presented_amount(price: int, settlement: str, presentment: str, rate: str) -> int:
    """`price` minor units of `settlement` as minor units of `presentment`, rounded half up, and never less than one.

    `rate` is decimal text: major units of presentment for one major unit of settlement. Exact integer arithmetic:
    with rate = n / 10^k and the exponents s and p of the two currencies, the amount is price · n · 10^p / 10^(k+s).
    The result may be larger than 63 bits; the caller checks.
    """
    numerator, decimals = rate_as_fraction(rate)
    above: int = price * numerator * 10 ** EXPONENTS[presentment]
    below: int = 10 ** (decimals + EXPONENTS[settlement])
    return max(1, (2 * above + below) // (2 * below))


def rate_as_fraction(rate: str) -> tuple[int, int]:
    """Decimal text as (n, k), meaning n / 10^k: "1.08" is (108, 2)."""
    whole, _, decimals = rate.partition(".")
    return int(whole + decimals), len(decimals)
