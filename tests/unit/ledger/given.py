"""Words for the tests of the book: the accounts of a small marketplace, the life of an order, and random postings."""

from typing import Any

from hypothesis import strategies as st

from ledger.postings import Account, Hold, Kind, Post, Posting, Transfer, Void


def clearing(currency: str = "EUR", provider: str = "cards") -> Account:
    return Account(Kind.CLEARING, provider, currency)


def hold_of(line: str, currency: str = "EUR") -> Account:
    return Account(Kind.HOLD, line, currency)


def payable(seller: str = "s-1", currency: str = "EUR") -> Account:
    return Account(Kind.PAYABLE, seller, currency)


def refund_transit(currency: str = "EUR") -> Account:
    return Account(Kind.REFUND_TRANSIT, "cards", currency)


def payout_transit(currency: str = "EUR") -> Account:
    return Account(Kind.PAYOUT_TRANSIT, "cards", currency)


def fees(currency: str = "EUR") -> Account:
    return Account(Kind.FEES, "platform", currency)


def fund(order: str, amount: int = 1000, line: int = 1) -> Transfer:
    return Transfer(f"{order}/{line}/fund", clearing(), hold_of(f"{order}/{line}"), amount, "fund", order)


def release(order: str, net: int = 900, fee: int = 100, line: int = 1, seller: str = "s-1") -> list[Transfer]:
    hold = hold_of(f"{order}/{line}")
    return [
        Transfer(f"{order}/{line}/release", hold, payable(seller), net, "release", order),
        Transfer(f"{order}/{line}/fee", hold, fees(), fee, "fee", order),
    ]


def refund(order: str, amount: int = 1000, line: int = 1) -> Transfer:
    return Transfer(f"{order}/{line}/refund", hold_of(f"{order}/{line}"), refund_transit(), amount, "refund", order)


def reserve_payout(order: str, amount: int = 900, seller: str = "s-1") -> Hold:
    return Hold(f"{order}/payout", payable(seller), payout_transit(), amount, "payout", order)


def payout(order: str, amount: int = 900) -> list[Posting]:
    out = Transfer(f"{order}/payout/out", payout_transit(), clearing(), amount, "payout", order)
    return [Post(f"{order}/payout"), out]


def caused(*postings: Posting) -> list[tuple[str, Posting]]:
    """Each by a message of its own."""
    return [(f"message-{number}", posting) for number, posting in enumerate(postings, 1)]


def whole_life(order: str) -> list[list[Posting]]:
    """The batches of an order that ends well."""
    return [[fund(order)], [*release(order), reserve_payout(order)], payout(order)]


_ORDERS = st.sampled_from(["order-1", "order-2", "order-3"])
_OWNERS = st.sampled_from(
    [
        (Kind.CLEARING, "cards"),
        (Kind.CLEARING, "bank"),
        (Kind.HOLD, "order-1/1"),
        (Kind.HOLD, "order-2/1"),
        (Kind.PAYABLE, "s:1"),
        (Kind.REFUND_TRANSIT, "cards"),
        (Kind.PAYOUT_TRANSIT, "cards"),
        (Kind.FEES, "platform"),
        (Kind.FX, "platform"),
    ]
)
_AMOUNTS = st.integers(1, 60) | st.sampled_from([0, -5, 2**62, 2**63])
_IDS = st.sampled_from([f"id-{number}" for number in range(12)])


@st.composite
def _movements(draw: st.DrawFn, of: Any) -> Any:
    currency = draw(st.sampled_from(["EUR", "JPY"]))
    # Of one currency far more often than not: else hardly anything but refusals would be tried.
    other = draw(st.sampled_from([currency] * 9 + ["JPY"]))
    debit, credit = Account(*draw(_OWNERS), currency), Account(*draw(_OWNERS), other)
    more = {"corrects": draw(st.none() | _IDS)} if of is Transfer and draw(st.integers(0, 9)) == 0 else {}
    return of(draw(_IDS), debit, credit, draw(_AMOUNTS), draw(st.sampled_from(["fund", "fee"])), draw(_ORDERS), **more)


POSTINGS: st.SearchStrategy[Posting] = st.one_of(
    _movements(Transfer),
    _movements(Transfer),
    _movements(Hold),
    st.builds(Post, _IDS, st.none() | st.integers(-1, 70)),
    st.builds(Void, _IDS),
)
"""Any posting between few accounts with few ids: enough duplicates, overdrafts and unknown holds to refuse."""

BATCHES: st.SearchStrategy[list[list[Posting]]] = st.lists(st.lists(POSTINGS, min_size=1, max_size=6), max_size=12)
