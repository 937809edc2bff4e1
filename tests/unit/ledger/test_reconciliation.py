"""A statement against the book, pure: every kind of difference has its cause, and nothing else is one."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.money import Money
from contracts.statement import EntryKind, Statement, StatementEntry
from ledger.reconciliation import WHAT_TO_DO, Asked, Booked, Cause, Movement, differences, totals, unmatched

DAY = date(2026, 3, 14)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
KNOWN = frozenset({"o-1", "o-2", "s-1"})


def euros(amount: int, currency: str = "EUR") -> Money:
    return Money(amount=amount, currency=currency)


def entry(
    kind: EntryKind, id: str, reference: str = "o-1", amount: Money | None = None, at: datetime = NOON
) -> StatementEntry:
    return StatementEntry(operation_id=id, reference=reference, kind=kind, amount=amount or euros(1000), at=at)


def moved(
    kind: EntryKind, id: str | None, reference: str = "o-1", amount: Money | None = None, at: datetime = NOON
) -> Movement:
    return Movement(kind, reference, id, amount or euros(1000), at)


def statement(*entries: StatementEntry) -> Statement:
    return Statement(provider="payments", day=DAY, closed_at=NOON + timedelta(days=1), entries=entries)


def causes(stated: Statement, booked: Booked) -> list[Cause]:
    return [each.cause for each in differences(stated, booked)]


REFUND, PAYOUT, PAYMENT = EntryKind.REFUND, EntryKind.PAYOUT, EntryKind.PAYMENT
TAKEN, RETURNED = EntryKind.CHARGEBACK, EntryKind.CHARGEBACK_REVERSAL


def test_what_both_have_is_no_difference() -> None:
    stated = statement(
        entry(PAYMENT, "pay-o-1-1"), entry(REFUND, "refund-o-1-1"), entry(TAKEN, "pay-o-1-1"), entry(PAYOUT, "payout-1")
    )
    book = [moved(PAYMENT, None), moved(REFUND, "refund-o-1-1"), moved(TAKEN, None), moved(PAYOUT, "payout-1")]
    assert differences(stated, Booked(book, references=KNOWN)) == ()
    assert unmatched(stated, book) == ([], [])
    (total,) = totals(stated, Booked(book), ())
    assert (total.stated, total.booked, total.difference, total.entries) == (-2000, -2000, 0, 4)


def test_a_refund_with_another_amount_currency_or_reference() -> None:
    book = Booked([moved(REFUND, "r-1")], references=KNOWN)
    assert causes(statement(entry(REFUND, "r-1", amount=euros(999))), book) == [Cause.AMOUNT_DIFFERS]
    assert causes(statement(entry(REFUND, "r-1", amount=euros(1000, "USD"))), book) == [Cause.CURRENCY_DIFFERS]
    assert causes(statement(entry(REFUND, "r-1", "o-2")), book) == [Cause.REFERENCE_DIFFERS]


def test_a_payment_that_the_book_knows_by_its_order_only() -> None:
    book = Booked([moved(PAYMENT, None)], references=KNOWN)
    (wrong,) = differences(statement(entry(PAYMENT, "pay-1", amount=euros(1200))), book)
    assert (wrong.cause, wrong.stated, wrong.booked) == (Cause.AMOUNT_DIFFERS, euros(1200), euros(1000))
    second = statement(entry(PAYMENT, "pay-1", amount=euros(1200)), entry(PAYMENT, "pay-2"))
    (wrong,) = differences(second, book)
    assert (wrong.cause, wrong.operation_id) == (Cause.MISSING_IN_BOOK, "pay-1")


def test_what_only_one_side_has() -> None:
    book = Booked([moved(PAYOUT, "p-1")], references=KNOWN)
    missing, left = differences(statement(entry(REFUND, "r-9", "o-2")), book)
    assert (missing.cause, missing.booked, left.cause, left.stated) == (
        Cause.MISSING_IN_BOOK, None, Cause.MISSING_IN_STATEMENT, None,
    )  # fmt: skip
    assert causes(statement(entry(PAYMENT, "pay-7", "o-7"), entry(PAYOUT, "p-1")), book) == [Cause.UNKNOWN_REFERENCE]


def test_one_movement_stated_twice() -> None:
    book = Booked([moved(REFUND, "r-1"), moved(PAYMENT, None)], references=KNOWN)
    twice = statement(
        entry(REFUND, "r-1"), entry(REFUND, "r-1", amount=euros(7)), entry(PAYMENT, "pay-1"), entry(PAYMENT, "pay-1")
    )
    assert causes(twice, book) == [Cause.DUPLICATED_IN_STATEMENT] * 2


def test_two_chargebacks_of_one_payment_are_two() -> None:
    later = NOON + timedelta(hours=1)
    both = statement(entry(TAKEN, "pay-1", amount=euros(400)), entry(TAKEN, "pay-1", amount=euros(600), at=later))
    book = [moved(TAKEN, None, amount=euros(400)), moved(TAKEN, None, amount=euros(600))]
    assert causes(both, Booked(book, references=KNOWN)) == []
    assert causes(both, Booked(book[:1], references=KNOWN)) == [Cause.MISSING_IN_BOOK]
    again = statement(*both.entries, both.entries[0])
    assert causes(again, Booked(book, references=KNOWN)) == [Cause.DUPLICATED_IN_STATEMENT]


def test_booked_on_another_day_from_either_side() -> None:
    night = NOON + timedelta(hours=12)
    stated = statement(entry(REFUND, "r-1"), entry(PAYMENT, "pay-2", "o-2"))
    book = Booked(elsewhere=[moved(REFUND, "r-1", at=night), moved(PAYMENT, None, "o-2", at=night)], references=KNOWN)
    assert causes(stated, book) == [Cause.BOOKED_ON_ANOTHER_DAY] * 2
    mine = Booked([moved(REFUND, "r-1"), moved(PAYMENT, None)], stated_elsewhere=[entry(REFUND, "r-1", at=night)])
    first, second = differences(statement(), mine)
    assert (first.cause, first.stated_at, second.cause) == (
        Cause.BOOKED_ON_ANOTHER_DAY, night, Cause.MISSING_IN_STATEMENT,
    )  # fmt: skip


def test_an_invented_payment_is_not_taken_for_one_of_another_day_with_another_amount() -> None:
    book = Booked(elsewhere=[moved(PAYMENT, None, amount=euros(5))], references=KNOWN)
    assert causes(statement(entry(PAYMENT, "unknown-1")), book) == [Cause.MISSING_IN_BOOK]


def test_what_is_not_answered_yet_is_in_transit_since_it_was_asked_for() -> None:
    book = Booked(asked=[Asked(PAYOUT, "o-1", "p-1", euros(1000), since=NOON)], references=KNOWN)
    (waiting,) = differences(statement(entry(PAYOUT, "p-1")), book)
    assert (waiting.cause, waiting.since) == (Cause.IN_TRANSIT, NOON)
    (wrong,) = differences(statement(entry(PAYOUT, "p-1", amount=euros(900))), book)
    assert (wrong.cause, wrong.booked, wrong.since) == (Cause.AMOUNT_DIFFERS, euros(1000), NOON)


def test_every_cause_says_what_to_do() -> None:
    assert set(WHAT_TO_DO) == set(Cause)


def test_totals_leave_out_what_may_be_another_books() -> None:
    stated = statement(entry(PAYMENT, "deposit-s-9-1", "s-9"), entry(PAYMENT, "pay-1", amount=euros(900, "USD")))
    book = Booked([moved(PAYMENT, None)], references=KNOWN)
    found = differences(stated, book)
    euro, dollar = totals(stated, book, found)
    assert (euro.stated, euro.booked, dollar.stated, dollar.booked) == (0, 1000, 900, 0)


KINDS = st.sampled_from(EntryKind)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(KINDS, st.sampled_from(["o-1", "o-2", "s-1"]), st.integers(1, 3)), max_size=25),
    left_out=st.sets(st.integers(0, 24), max_size=3),
    invented=st.integers(0, 3),
)
def test_as_many_differences_as_were_made(
    rows: list[tuple[EntryKind, str, int]], left_out: set[int], invented: int
) -> None:
    banks = (TAKEN, RETURNED, PAYMENT)
    book = [
        moved(kind, None if kind in banks else f"op-{n}", ref, euros(amount), NOON + timedelta(seconds=n))
        for n, (kind, ref, amount) in enumerate(rows)
    ]
    stated = statement(
        *(
            entry(kind, f"op-{n}", ref, euros(amount), NOON + timedelta(seconds=n))
            for n, (kind, ref, amount) in enumerate(rows)
            if n not in left_out
        ),
        *(entry(REFUND, f"invented-{n}") for n in range(invented)),
    )
    found = causes(stated, Booked(book, references=KNOWN))
    gone = [n for n in left_out if n < len(rows)]
    assert found.count(Cause.MISSING_IN_STATEMENT) == len(gone)
    assert found.count(Cause.MISSING_IN_BOOK) == invented
    assert len(found) == len(gone) + invented
    entries, left = unmatched(stated, book)
    assert (len(entries), len(left)) == (invented, len(gone))


def test_money_that_did_not_pay_its_order_and_was_sent_back() -> None:
    """E3, E4: a payment too late or made twice never stands in the book, and neither does its return."""
    book = Booked([moved(PAYMENT, None)], references=KNOWN)
    day = statement(entry(PAYMENT, "pay-o-1-1"), entry(PAYMENT, "pay-o-1-2"), entry(REFUND, "return-pay-o-1-2-1"))

    found = differences(day, book)

    assert [(each.operation_id, each.cause) for each in found] == [
        ("pay-o-1-2", Cause.SURPLUS_RECEIVED), ("return-pay-o-1-2-1", Cause.SURPLUS_RETURNED),
    ]  # fmt: skip
    (total,) = totals(day, book, found)
    assert (total.stated, total.booked, total.entries) == (1000, 1000, 1)


def test_the_book_may_have_taken_the_payment_that_went_back_for_the_one_that_stayed() -> None:
    book = Booked([moved(PAYMENT, None)], references=KNOWN)
    day = statement(entry(PAYMENT, "pay-o-1-1"), entry(PAYMENT, "pay-o-1-2"), entry(REFUND, "return-pay-o-1-1-1"))

    assert causes(day, book) == [Cause.SURPLUS_RECEIVED, Cause.SURPLUS_RETURNED]


def test_a_return_on_another_day_explains_the_payment_and_the_payment_the_return() -> None:
    payment, sent_back = entry(PAYMENT, "pay-o-1-2"), entry(REFUND, "return-pay-o-1-2-3")
    known = Booked(references=KNOWN)

    assert causes(statement(payment), replace(known, unbooked_elsewhere=[sent_back])) == [Cause.SURPLUS_RECEIVED]
    assert causes(statement(sent_back), replace(known, unbooked_elsewhere=[payment])) == [Cause.SURPLUS_RETURNED]


def test_surplus_of_an_order_that_never_came_to_the_book_is_told_by_the_book_of_orders_alone() -> None:
    day = statement(entry(PAYMENT, "pay-o-9-1", "o-9"), entry(REFUND, "return-pay-o-9-1-1", "o-9"))

    assert causes(day, Booked(references=KNOWN)) == [Cause.SURPLUS_RECEIVED, Cause.SURPLUS_RETURNED]
    assert causes(day, Booked(references=KNOWN, of_orders=False)) == [Cause.UNKNOWN_REFERENCE] * 2


def test_a_return_of_what_never_came_or_came_for_the_order_or_went_back_before_is_missing_in_the_book() -> None:
    sent_back = entry(REFUND, "return-pay-o-1-2-1")
    assert causes(statement(sent_back), Booked(references=KNOWN)) == [Cause.MISSING_IN_BOOK]

    paid = statement(entry(PAYMENT, "pay-o-1-2"), sent_back)
    assert causes(paid, Booked([moved(PAYMENT, None)], references=KNOWN)) == [Cause.MISSING_IN_BOOK]

    again = entry(REFUND, "return-pay-o-1-2-2", at=NOON + timedelta(hours=1))
    twice = statement(entry(PAYMENT, "pay-o-1-2"), again, sent_back)
    assert causes(twice, Booked(references=KNOWN)) == [
        Cause.SURPLUS_RECEIVED, Cause.MISSING_IN_BOOK, Cause.SURPLUS_RETURNED,
    ]  # fmt: skip


def test_more_or_less_sent_back_than_came_is_a_difference() -> None:
    known = Booked(references=KNOWN)
    came, less = entry(PAYMENT, "pay-o-1-2"), entry(REFUND, "return-pay-o-1-2-1", amount=euros(900))

    found = differences(statement(came, less), known)

    assert [each.cause for each in found] == [Cause.MISSING_IN_BOOK, Cause.AMOUNT_DIFFERS]
    assert (found[1].stated, found[1].booked) == (euros(900), euros(1000))
    (total,) = totals(statement(came, less), known, found)
    assert total.difference == 100
    dollars = entry(REFUND, "return-pay-o-1-2-1", amount=euros(1000, "USD"))
    assert causes(statement(came, dollars), known) == [Cause.MISSING_IN_BOOK, Cause.CURRENCY_DIFFERS]


def test_a_surplus_that_is_stated_twice_is_left_out_of_the_totals_once() -> None:
    came = entry(PAYMENT, "pay-o-1-2")
    twice = statement(came, came, entry(REFUND, "return-pay-o-1-2-1"))

    (total,) = totals(twice, Booked(), differences(twice, Booked(references=KNOWN)))

    assert (total.difference, total.entries) == (1000, 1)


def test_a_return_explains_no_payment_but_the_one_it_names_or_that_the_book_took_for_it() -> None:
    invented = statement(entry(PAYMENT, "invented-7"), entry(REFUND, "return-pay-o-1-2-1"))

    assert causes(invented, Booked(references=KNOWN)) == [Cause.MISSING_IN_BOOK] * 2


@given(st.lists(st.integers(1, 3), max_size=6), st.randoms(use_true_random=False))
def test_what_is_sent_back_once_is_explained_in_whatever_order_it_is_stated(counts: list[int], chance: Random) -> None:
    entries = []
    for number, returns in enumerate(counts):
        payment = f"pay-o-1-{number}"
        amount = euros(100 + number)
        entries.append(entry(PAYMENT, payment, amount=amount))
        entries += [entry(REFUND, f"return-{payment}-{n}", amount=amount) for n in range(1, returns + 1)]
    chance.shuffle(entries)

    found = causes(statement(*entries), Booked(references=KNOWN))

    assert found.count(Cause.SURPLUS_RECEIVED) == found.count(Cause.SURPLUS_RETURNED) == len(counts)
    assert found.count(Cause.MISSING_IN_BOOK) == sum(counts) - len(counts)
