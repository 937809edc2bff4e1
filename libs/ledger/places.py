"""Where an order's money lies, in the words that people ask with: held, payable, paid out, refund in transit …

Every entry on an account other than clearing lies where that account is. Clearing is the world outside: an entry there
says, by the account on its other side, why money came or went. So for every order and currency

    funded = held + reserved + payable + payout_in_transit + paid_out + refund_in_transit + refunded + fees + …

`ledger_place` of the migrations says the same in SQL.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ledger.postings import Kind, Transfer

FUNDED = "funded"
"""What came in for the order; the one place that is counted on the other side of the equation."""

SPENT = "spent"
"""What left from the platform's own accounts."""

OUTSIDE = frozenset({"paid_out", "refunded", "charged_back", SPENT})
"""Places of money that left."""

NEVER_NEGATIVE_PLACES = OUTSIDE | {FUNDED, "held", "payout_in_transit", "refund_in_transit"}
"""An order's own: it cannot take more out of these than it put in. Payable is not among them: what a seller owes for
one order may be taken from what others earned."""

_INSIDE = {
    Kind.HOLD: "held",
    Kind.RESERVE: "reserved",
    Kind.PAYOUT_TRANSIT: "payout_in_transit",
    Kind.REFUND_TRANSIT: "refund_in_transit",
    Kind.WRITE_OFF: "written_off",
}
_CAME_BACK_OR_WENT = {
    Kind.PAYOUT_TRANSIT: "paid_out",
    Kind.PAYABLE: "paid_out",
    Kind.REFUND_TRANSIT: "refunded",
    Kind.CHARGEBACK: "charged_back",
}
_WENT = {Kind.HOLD: "refunded", Kind.RESERVE: "paid_out", Kind.DEPOSIT: "paid_out", Kind.CLEARING: FUNDED}


def place(kind: Kind, other: Kind, *, credited: bool) -> str:
    """Where an entry on an account of `kind` puts money (`credited`) or takes it from, `other` being the other side."""
    if kind is not Kind.CLEARING:
        return _INSIDE.get(kind, str(kind))
    if other in _CAME_BACK_OR_WENT:
        return _CAME_BACK_OR_WENT[other]
    return _WENT.get(other, SPENT) if credited else FUNDED


def where(transfers: Iterable[Transfer]) -> dict[str, dict[str, int]]:
    """Currency → place → minor units, of the transfers given; places without money are left out."""
    money: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for transfer in transfers:
        debit, credit = transfer.debit, transfer.credit
        places = money[debit.currency]
        places[place(credit.kind, debit.kind, credited=True)] += transfer.amount
        places[place(debit.kind, credit.kind, credited=False)] -= transfer.amount
    return {currency: stated(places) for currency, places in money.items()}


def stated(entries: Mapping[str, int]) -> dict[str, int]:
    """Sums of entries as they are spoken of: what came in is a debit of clearing, and counts as a positive amount."""
    signed = {place: -amount if place == FUNDED else amount for place, amount in entries.items()}
    return {place: amount for place, amount in sorted(signed.items()) if amount}


def by_place(balances: Mapping[str, int], places: Mapping[str, int]) -> list[tuple[str, int, int]]:
    """What accounts hold beside what orders have there, both signed as entries: (place, balance, sum over orders).

    `balances` by kind of account; clearing stands against the places outside and what was funded.
    """
    outside = sum(places.get(place, 0) for place in OUTSIDE) - places.get(FUNDED, 0)
    sides = [(str(Kind.CLEARING), balances.get(Kind.CLEARING, 0), outside)]
    for kind in Kind:
        if kind is not Kind.CLEARING:
            name = _INSIDE.get(kind, str(kind))
            sides.append((name, balances.get(kind, 0), places.get(name, 0)))
    return sides
