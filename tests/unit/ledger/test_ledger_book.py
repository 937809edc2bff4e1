"""The book in memory: what it keeps, what it refuses, and that a refused batch leaves no trace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.book import Book, Counters
from ledger.errors import LedgerError
from ledger.naming import shard_of
from ledger.postings import Account, Hold, Kind, Post, Posting, Transfer, Void
from tests.unit.ledger.given import (
    BATCHES,
    POSTINGS,
    caused,
    clearing,
    fees,
    fund,
    hold_of,
    payable,
    payout_transit,
    refund,
    refund_transit,
    release,
    reserve_payout,
    whole_life,
)


def book_with(*postings: Posting) -> Book:
    book = Book()
    for posting in postings:
        book.apply("message", posting)
    return book


def refused(book: Book, *postings: Posting) -> str:
    """The code that the batch is refused with; the book is as it was."""
    before = (book.rows(), book.transfers(), book.pending())
    with pytest.raises(LedgerError) as error:
        book.apply_all(caused(*postings))
    assert (book.rows(), book.transfers(), book.pending()) == before
    return error.value.code


def test_e1_a_payment_stands_in_the_hold_of_its_line_until_it_is_released() -> None:
    book = book_with(fund("order-1", 1000))
    assert book.balance(hold_of("order-1/1")) == 1000
    assert book.balance(payable()) == 0
    assert book.where("order-1") == {"EUR": {"funded": 1000, "held": 1000}}

    book.apply_all(caused(*release("order-1", net=900, fee=100)))
    assert book.balance(hold_of("order-1/1")) == 0
    assert book.where("order-1") == {"EUR": {"funded": 1000, "payable": 900, "fees": 100}}


def test_an_order_that_ends_well_rests_with_the_seller_and_the_platform() -> None:
    book = Book()
    for batch in whole_life("order-1"):
        book.apply_all(caused(*batch))
    assert book.where("order-1") == {"EUR": {"funded": 1000, "paid_out": 900, "fees": 100}}
    assert book.balance(clearing()) == -100
    assert book.check() == []


def test_e3_the_refund_is_the_amount_paid_and_drift_stands_in_the_position_accounts() -> None:
    position = Account(Kind.FX, "platform", "EUR"), Account(Kind.FX, "platform", "JPY")
    book = book_with(
        fund("order-1", 1000),
        Transfer("order-1/convert", hold_of("order-1/1"), position[0], 400, "convert", "order-1"),
        Transfer("order-1/release", position[1], payable(currency="JPY"), 65_000, "release", "order-1"),
        refund("order-1", 600),
    )
    assert book.where("order-1") == {
        "EUR": {"funded": 1000, "fx": 400, "refund_in_transit": 600},
        "JPY": {"fx": -65_000, "payable": 65_000},
    }
    assert book.check() == []


def test_release_refund_and_fee_are_at_most_what_was_funded() -> None:
    book = book_with(fund("order-1", 1000))
    assert refused(book, *release("order-1", net=900, fee=100), refund("order-1", 1)) == "insufficient_funds"


def test_one_order_cannot_take_out_of_transit_what_another_put_in() -> None:
    assert shard_of("order-1") != shard_of("order-2")
    book = book_with(fund("order-1"), refund("order-1"))
    other = Transfer("order-2/out", refund_transit(), clearing(), 1000, "refund", "order-2")
    assert refused(book, other) == "insufficient_funds"


def test_a_hold_reserves_until_it_is_posted_or_voided() -> None:
    book = book_with(fund("order-1"), *release("order-1"), reserve_payout("order-1", 900))
    assert book.counters(payable()) == Counters(0, 900, 900, 0)
    assert book.counters(payout_transit()).credits_pending == 900
    again = Hold("again", payable(), payout_transit(), 1, "payout", "order-1")
    assert refused(book, again) == "insufficient_funds"

    book.apply("message", Void("order-1/payout"))
    assert book.counters(payable()) == Counters(0, 900, 0, 0)
    book.apply("message", again)


def test_what_a_post_leaves_returns() -> None:
    book = book_with(fund("order-1"), *release("order-1"), reserve_payout("order-1", 900), Post("order-1/payout", 500))
    assert book.counters(payable()) == Counters(500, 900, 0, 0)
    assert book.balance(payout_transit()) == 500
    assert book.transfers("order-1")[-1].transfer.id == "order-1/payout"


def test_a_batch_counts_by_what_it_comes_to_whatever_its_order() -> None:
    book = Book()
    postings = [posting for batch in whole_life("order-1") for posting in batch]
    book.apply_all(caused(*reversed(postings)))
    assert book.where("order-1") == {"EUR": {"funded": 1000, "paid_out": 900, "fees": 100}}


@pytest.mark.parametrize(
    ("code", "posting"),
    [
        ("duplicate_transfer", fund("order-1")),
        ("insufficient_funds", refund("order-9")),
        ("non_positive_amount", fund("order-9", 0)),
        ("non_positive_amount", fund("order-9", -1)),
        ("amount_too_large", fund("order-9", 2**63)),
        ("amount_too_large", fund("order-1", 2**63 - 1, line=2)),
        ("same_account", Transfer("x", fees(), fees(), 1, "fee", "order-1")),
        ("currency_mismatch", Transfer("x", clearing("EUR"), fees("JPY"), 1, "fee", "order-1")),
        ("invalid_account", Transfer("x", clearing(), Account(Kind.FEES, "a#1", "EUR"), 1, "fee", "order-1")),
        ("invalid_account", Transfer("x", clearing(), Account(Kind.FEES, "", "EUR"), 1, "fee", "order-1")),
        ("invalid_account", Transfer("x", clearing("eur"), fees("eur"), 1, "fee", "order-1")),
        ("invalid_text", Transfer("", clearing(), fees(), 1, "fee", "order-1")),
        ("invalid_text", Transfer("x\x1fy", clearing(), fees(), 1, "fee", "order-1")),
        ("unknown_correction", Transfer("x", clearing(), fees(), 1, "fee", "order-1", corrects="nobody")),
        ("unknown_correction", Transfer("x", clearing(), fees(), 1, "fee", "order-1", corrects="x")),
        ("duplicate_hold", Hold("open", clearing(), fees(), 1, "fee", "order-1")),
        ("unknown_hold", Post("nobody")),
        ("unknown_hold", Void("nobody")),
        ("hold_resolved", Post("posted", 1)),
        ("hold_resolved", Void("voided")),
        ("over_post", Post("open", 51)),
        ("non_positive_amount", Post("open", 0)),
    ],
)
def test_a_refusal_has_its_code(code: str, posting: Posting) -> None:
    book = book_with(
        fund("order-1"),
        *(Hold(id, clearing(), fees(), 50, "fee", "order-1") for id in ("open", "posted", "voided")),
        Post("posted"),
        Void("voided"),
    )
    assert refused(book, posting) == code


@pytest.mark.parametrize(
    ("code", "twice"),
    [
        ("duplicate_transfer", [fund("order-1"), fund("order-1")]),
        ("duplicate_hold", [Hold("h", clearing(), fees(), 1, "fee", "order-1")] * 2),
        ("hold_resolved", [Hold("h", clearing(), fees(), 1, "fee", "order-1"), Post("h"), Void("h")]),
    ],
)
def test_twice_in_one_batch_is_twice(code: str, twice: list[Posting]) -> None:
    assert refused(Book(), *twice) == code


def test_undo_takes_back_what_never_committed() -> None:
    book = book_with(fund("order-1"))
    before = (book.rows(), book.transfers(), book.pending())
    mark = book.mark()
    for batch in whole_life("order-2"):
        book.apply_all(caused(*batch))
    book.undo(mark)
    assert (book.rows(), book.transfers(), book.pending()) == before
    book.apply_all(caused(*whole_life("order-2")[0]))
    assert book.balance(hold_of("order-2/1")) == 1000


def test_a_copy_goes_its_own_way() -> None:
    book = book_with(fund("order-1"))
    copy = book.copy()
    copy.apply("message", refund("order-1"))
    assert book.balance(hold_of("order-1/1")) == 1000
    assert copy.balance(hold_of("order-1/1")) == 0


def test_check_finds_an_order_that_spends_what_another_paid() -> None:
    # Given a fee of order 2 that was taken from the hold of order 1
    stray = Transfer("order-2/fee", hold_of("order-1/1"), fees(), 10, "fee", "order-2")
    book = book_with(fund("order-1"), stray)
    found = {(finding.code, finding.subject) for finding in book.check()}
    assert found == {("order_place_negative", "order-2: held"), ("hold_of_another_order", "order-2/fee")}


@given(BATCHES)
def test_whatever_is_posted_the_book_stays_sound(batches: list[list[Posting]]) -> None:
    book = Book()
    for batch in batches:
        before = book.copy()
        mark = book.mark()
        try:
            book.apply_all(caused(*batch))
        except LedgerError:
            assert (book.rows(), book.mark()) == (before.rows(), mark)
        unsound = [one for one in book.check() if not one.code.startswith(("order_", "hold_"))]
        assert unsound == []
        assert sum(counters.balance for row, counters in book.rows().items() if row.endswith("EUR")) == 0
        assert all(min(counters) >= 0 for counters in book.rows().values())


@given(st.lists(POSTINGS, max_size=25), st.integers(0, 25))
def test_undone_and_done_again_is_the_same(postings: list[Posting], at: int) -> None:
    book = Book()
    written = []
    for number, posting in enumerate(postings):
        if number == at:
            mark, rows = book.mark(), book.rows()
        try:
            book.apply("message", posting)
        except LedgerError:
            continue
        written.append((number, posting))
    if at < len(postings):
        after = book.rows()
        book.undo(mark)
        assert book.rows() == rows
        for number, posting in written:
            if number >= at:
                book.apply("message", posting)
        assert book.rows() == after
