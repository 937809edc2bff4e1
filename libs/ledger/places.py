"""Where an order's money lies, in the words that people ask with: held, payable, paid out, refund in transit …

Every entry on an account other than clearing lies where that account is. Clearing is the world outside: an entry there
says, by the account on its other side, why money came or went. So for every order and currency

    funded = held + reserved + payable + payout_in_transit + paid_out + refund_in_transit + refunded + fees + …

`ledger_place` of the migrations says the same in SQL.
"""

from collections import defaultdict
from collections.abc import Iterable

from ledger.postings import Kind, Transfer

FUNDED = "funded"
"""What came in for the order; the one place that is counted on the other side of the equation."""

NEVER_NEGATIVE_PLACES = frozenset(
    {"held", "payout_in_transit", "refund_in_transit", "paid_out", "refunded", "funded", "charged_back"}
)
"""An order's own: it cannot take more out of these than it put in. Payable is not among them: what a seller owes for
one order may be taken from what others earned."""

_INSIDE = {
    Kind.HOLD: "held",
    Kind.RESERVE: "reserved",
    Kind.PAYOUT_TRANSIT: "payout_in_transit",
    Kind.REFUND_TRANSIT: "refund_in_transit",
    Kind.WRITE_OFF: "written_off",
}
_OUTSIDE = {
    Kind.PAYOUT_TRANSIT: "paid_out",
    Kind.PAYABLE: "paid_out",
    Kind.RESERVE: "paid_out",
    Kind.REFUND_TRANSIT: "refunded",
    Kind.CHARGEBACK: "charged_back",
}
_OUTSIDE_IF_PAID_FROM = {Kind.HOLD: "refunded", Kind.DEPOSIT: "paid_out"}


def place(kind: Kind, other: Kind, *, credited: bool) -> str:
    """Where an entry on an account of `kind` puts money (`credited`) or takes it from, `other` being the other side."""
    if kind is not Kind.CLEARING:
        return _INSIDE.get(kind, str(kind))
    return _OUTSIDE.get(other) or (credited and _OUTSIDE_IF_PAID_FROM.get(other)) or FUNDED


def where(transfers: Iterable[Transfer]) -> dict[str, dict[str, int]]:
    """Currency → place → minor units, of the transfers given; places without money are left out."""
    money: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for transfer in transfers:
        debit, credit = transfer.debit, transfer.credit
        places = money[debit.currency]
        places[place(credit.kind, debit.kind, credited=True)] += transfer.amount
        places[place(debit.kind, credit.kind, credited=False)] -= transfer.amount
    return {currency: stated(places) for currency, places in money.items()}


def stated(entries: dict[str, int]) -> dict[str, int]:
    """Sums of entries as they are spoken of: what came in is a debit of clearing, and counts as a positive amount."""
    signed = {place: -amount if place == FUNDED else amount for place, amount in entries.items()}
    return {place: amount for place, amount in sorted(signed.items()) if amount}
