"""What a check of the book finds wrong: the same words from the book in memory and from the proof over the database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ledger.places import FUNDED, NEVER_NEGATIVE_PLACES

CODES = (
    *("currency_not_zero", "account_differs", "pending_differs", "account_negative", "order_not_balanced"),
    *("order_place_negative", "hold_of_another_order", "resolution_differs", "places_differ"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with `subject` (an account's row, an order, a hold, a currency), in minor units.

    Codes: currency_not_zero, account_differs (counters against transfers), pending_differs (counters against holds),
    account_negative, order_not_balanced, order_place_negative, hold_of_another_order, resolution_differs,
    places_differ (all orders against all accounts).
    """

    code: str
    subject: str
    currency: str
    expected: int
    found: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def of_order(order_id: str, currency: str, places: Mapping[str, int]) -> list[Finding]:
    """What is wrong with one order's money in one currency; `places` as `places.where` gives them."""
    found = []
    lies = sum(amount for place, amount in places.items() if place != FUNDED)
    if lies != places.get(FUNDED, 0):
        found.append(Finding("order_not_balanced", order_id, currency, places.get(FUNDED, 0), lies))
    for place in sorted(NEVER_NEGATIVE_PLACES & places.keys()):
        if places[place] < 0:
            found.append(Finding("order_place_negative", f"{order_id}: {place}", currency, 0, places[place]))
    return found
