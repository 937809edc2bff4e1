"""What a deposit gives to a claim (P8), in any two currencies, and that it answers the same claim the same way."""

from datetime import UTC, date, datetime
from fractions import Fraction

from hypothesis import given as for_all
from hypothesis import strategies as st

from contracts.currencies import EXPONENTS
from contracts.deposits import DepositClaimed
from contracts.money import MAX_MINOR_UNITS, Money
from deposits.claims import settle
from deposits.policy import DEPOSIT_POLICIES, RATES, exchange_rate, in_force, required_deposit
from ledger.book import Book
from ledger.postings import Account, Kind, Transfer
from tests.unit.deposits.given import SELLER, claim, cny, deposit, given, open_deposit, pay, service, succeeded

RATES_2025 = RATES[-1]
currencies = st.sampled_from(sorted(RATES_2025.cny))


def answer(asked: Money, paid: int, id: str = "claim-1") -> DepositClaimed:
    given_back = Money(amount=paid, currency=asked.currency)
    return DepositClaimed(seller_id=SELLER, claim_id=id, order_id="order-1", asked=asked, paid=given_back)


def usd(cents: int) -> Money:
    return Money(amount=cents, currency="USD")


def test_p8_a_claim_in_the_deposits_currency_is_paid_and_booked() -> None:
    folding = given("active")
    before = len(folding.postings)
    assert folding.tell(claim(cny(3_000)))[0] == answer(cny(3_000), 3_000_00)
    assert folding.postings[before:] == [
        Transfer(
            "s-1/claim/claim-1",
            Account(Kind.DEPOSIT, SELLER, "CNY"),
            Account(Kind.CLAIMS, "escrow", "CNY"),
            3_000_00,
            "claim",
            "order-1",
        )
    ]
    assert deposit(folding).balance == 5_000_00


def test_p8_a_claim_beyond_the_balance_is_paid_as_far_as_it_reaches() -> None:
    folding = given("active")
    assert folding.tell(claim(cny(9_000)))[0] == answer(cny(9_000), 8_000_00)
    assert folding.note == "balance_exhausted"
    assert deposit(folding).balance == 0
    assert folding.tell(claim(cny(1), "claim-2")) == [answer(cny(1), 0, "claim-2")]
    assert folding.note == "nothing_deposited"
    assert [posting.amount for posting in folding.postings] == [8_000_00, 8_000_00]


def test_p8_a_claim_in_another_currency_is_paid_by_the_reference_rate_of_the_day() -> None:
    folding = given("active")
    # 100.00 USD at 7.19 CNY
    assert folding.tell(claim(usd(100_00)))[0] == answer(usd(100_00), 100_00)
    assert deposit(folding).balance == 8_000_00 - 719_00
    assert deposit(folding).claims[0].rates == "rates_2025"


def test_the_rate_is_that_of_the_day_of_the_claim() -> None:
    folding = service(datetime(2024, 6, 1, tzinfo=UTC))
    folding.tell(open_deposit(), pay(), succeeded(1, cny(10_000)))
    folding.tell(claim(usd(100_00)))
    assert deposit(folding).balance == 10_000_00 - 690_00


def test_a_currency_without_a_rate_is_paid_nothing_and_says_so() -> None:
    folding = given("active")
    rand = Money(amount=1_00, currency="XCG")
    assert folding.tell(claim(rand)) == [answer(rand, 0)]
    assert folding.note == "no_reference_rate"
    assert deposit(folding).claims[0].code == "no_reference_rate"
    assert deposit(folding).balance == 8_000_00


def test_the_same_claim_gets_the_same_answer_and_moves_nothing_twice() -> None:
    folding = given("active")
    folding.tell(claim(cny(8_000)))
    postings = list(folding.postings)
    folding.tell(pay(), succeeded(2))
    topped_up = [*postings, folding.postings[-1]]
    assert folding.tell(claim(cny(8_000))) == [answer(cny(8_000), 8_000_00)]
    assert folding.note == "claim_answered_before"
    assert folding.postings == topped_up
    assert deposit(folding).balance == 8_000_00


def test_a_claim_against_a_seller_without_deposit_is_answered_and_stays_answered() -> None:
    folding = given("unknown")
    assert folding.tell(claim(cny(5))) == [answer(cny(5), 0)]
    folding.tell(open_deposit(), pay(), succeeded())
    assert deposit(folding).balance == 8_000_00
    assert folding.tell(claim(cny(5))) == [answer(cny(5), 0)]
    assert deposit(folding).balance == 8_000_00


@for_all(
    asked=st.integers(1, MAX_MINOR_UNITS),
    balance=st.integers(0, MAX_MINOR_UNITS),
    claimed_in=currencies,
    held_in=currencies,
)
def test_a_claim_never_takes_more_than_there_is_nor_less_than_it_pays(
    asked: int, balance: int, claimed_in: str, held_in: str
) -> None:
    given_back = settle(Money(amount=asked, currency=claimed_in), balance, held_in, RATES_2025)
    rate = exchange_rate(RATES_2025, held_in, claimed_in)
    assert rate is not None
    assert 0 <= given_back.paid <= asked
    assert 0 <= given_back.deducted <= balance
    # what is deducted is worth what is paid, and less than one minor unit more
    assert given_back.paid <= given_back.deducted * rate < given_back.paid + rate
    # nothing that could be paid is kept back: one more would be beyond the claim or the balance
    assert given_back.paid == asked or (given_back.paid + 1) > balance * rate
    assert (given_back.code == "") == (given_back.paid == asked)


@for_all(
    claims=st.lists(st.tuples(st.integers(1, 5_000_00), currencies), max_size=12),
    top_ups=st.integers(0, 3),
)
def test_claims_and_payments_leave_what_the_book_says(claims: list[tuple[int, str]], top_ups: int) -> None:
    folding = given("active")
    paid = 1
    for index, (amount, currency) in enumerate(claims):
        folding.tell(claim(Money(amount=amount, currency=currency), f"claim-{index}"))
        if deposit(folding).missing and paid <= top_ups:
            paid += 1
            folding.tell(pay(), succeeded(paid, Money(amount=deposit(folding).missing, currency="CNY")))
    book = Book()
    for posting in folding.postings:
        book.apply("cause", posting)
    assert book.check() == []
    assert book.balance(Account(Kind.DEPOSIT, SELLER, "CNY")) == deposit(folding).balance
    assert book.balance(Account(Kind.CLAIMS, "escrow", "CNY")) == sum(one.deducted for one in deposit(folding).claims)


def test_rates_know_their_minor_units() -> None:
    # 1 KWD (1000 fils) is 23.4 CNY (2340 fen); 1 JPY has no minor unit
    assert exchange_rate(RATES_2025, "KWD", "CNY") == Fraction(2340, 1000)
    assert exchange_rate(RATES_2025, "JPY", "CNY") == Fraction("4.79")
    assert exchange_rate(RATES_2025, "XCG", "XCG") == 1
    assert exchange_rate(RATES_2025, "XCG", "CNY") is None
    for rates in RATES:
        assert rates.cny.keys() <= EXPONENTS.keys()
        assert rates.cny["CNY"] == 1
        assert min(rates.cny.values()) > 0


def test_p1_the_policy_of_a_day_and_the_most_exact_amount() -> None:
    before, after = DEPOSIT_POLICIES
    assert in_force(DEPOSIT_POLICIES, date(2024, 12, 31)) is before
    assert in_force(DEPOSIT_POLICIES, date(2025, 1, 1)) is after
    assert in_force(DEPOSIT_POLICIES, date(1999, 1, 1)) is before
    assert required_deposit(after, "clothing", "CN") == cny(8_000)
    assert required_deposit(after, "clothing", "KR") == Money(amount=1_500_000, currency="KRW")
    assert required_deposit(after, "clothing", "ES") == cny(8_000)
    assert required_deposit(after, "books", "ES") == Money(amount=1_300_00, currency="EUR")
    assert required_deposit(after, "books", "CN") == cny(10_000)
    assert required_deposit(after, "electronics", "CN").amount > required_deposit(after, "clothing", "CN").amount
    for policy in DEPOSIT_POLICIES:
        assert all(money.amount > 0 for money in policy.required.values())
    assert [policy.valid_from for policy in DEPOSIT_POLICIES] == sorted(p.valid_from for p in DEPOSIT_POLICIES)
