"""Screening always answers, by two rules, and the same way when asked again (I1, I2)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from contracts.identity import AccountOpened, OrderCleared, OrderStopped, RiskSignal
from contracts.message import Role
from contracts.money import Money
from identity.policy import SCREENING_POLICIES, in_force
from tests.folding import Folding
from tests.unit.identity.given import (
    MAY_2025,
    PERSON,
    account,
    actor,
    appeal,
    given,
    open_account,
    screen,
    service,
    stop,
    usd,
    verify,
)

POLICY_2020, POLICY_2025 = SCREENING_POLICIES


def cleared(order_id: str = "order-1") -> OrderCleared:
    return OrderCleared(order_id=order_id, person_id=PERSON)


def stopped(*rules: str, order_id: str = "order-1", policy: str = "screening_2025") -> OrderStopped:
    signals = tuple(RiskSignal(rule=rule, policy=policy) for rule in rules)
    return OrderStopped(order_id=order_id, person_id=PERSON, signals=signals)


def screened_in_a_row(folding: Folding, orders: int, apart: timedelta) -> list[OrderCleared | OrderStopped]:
    answers: list[OrderCleared | OrderStopped] = []
    for number in range(orders):
        (answer,) = folding.tell(screen(f"order-{number}"))
        assert isinstance(answer, OrderCleared | OrderStopped)
        answers.append(answer)
        folding.wait(apart)
    return answers


def test_an_account_is_opened_once() -> None:
    folding = service()
    assert folding.tell(open_account()) == [AccountOpened(person_id=PERSON, country="DE")]
    assert folding.refuses(open_account(country="FR")) == "already_open"
    assert account(folding).opened_at == MAY_2025


def test_an_ordinary_order_is_cleared() -> None:
    assert given("open").tell(screen()) == [cleared()]


@pytest.mark.parametrize(
    ("total", "rules"),
    [
        (usd(10_000), ("large_order",)),
        (Money(amount=9_999_99, currency="USD"), ()),
        (Money(amount=1_500_000, currency="JPY"), ("large_order",)),
        (Money(amount=1_499_000, currency="JPY"), ()),
        (Money(amount=3_077_000, currency="KWD"), ("large_order",)),
        (Money(amount=3_076_000, currency="KWD"), ()),
        (Money(amount=1, currency="XCG"), ("no_reference_rate",)),
    ],
)
def test_i1_an_order_of_ten_thousand_dollars_or_more_is_stopped_in_any_currency(
    total: Money, rules: tuple[str, ...]
) -> None:
    assert given("open").tell(screen(total=total)) == [stopped(*rules) if rules else cleared()]


def test_the_rates_are_those_of_the_day() -> None:
    # 9,000 EUR is 10,260 USD at the rate of 2020 and 9,720 at that of 2025
    euros = Money(amount=9_000_00, currency="EUR")
    before = service(datetime(2024, 12, 31, 12, tzinfo=UTC))
    before.tell(open_account())
    assert before.tell(screen(total=euros)) == [stopped("large_order", policy="screening_2020")]
    assert given("open").tell(screen(total=euros)) == [cleared()]


def test_i1_the_tenth_order_within_a_day_is_stopped() -> None:
    answers = screened_in_a_row(given("open"), 11, apart=timedelta(hours=1))
    assert [type(answer) for answer in answers] == [OrderCleared] * 9 + [OrderStopped] * 2
    assert answers[9] == stopped("bulk_orders", order_id="order-9")


def test_orders_spread_over_more_than_a_day_are_not_bulk() -> None:
    answers = screened_in_a_row(given("open"), 40, apart=timedelta(hours=24) / 9)
    assert {type(answer) for answer in answers} == {OrderCleared}


def test_an_order_exactly_a_day_old_no_longer_counts() -> None:
    folding = given("open")
    screened_in_a_row(folding, 9, apart=timedelta(0))
    folding.wait(timedelta(hours=24))
    assert folding.tell(screen("order-late")) == [cleared("order-late")]


def test_both_rules_are_named_when_both_fire() -> None:
    folding = given("open")
    screened_in_a_row(folding, 9, apart=timedelta(minutes=1))
    assert folding.tell(screen("order-x", usd(50_000))) == [stopped("large_order", "bulk_orders", order_id="order-x")]


def test_the_bulk_limit_is_that_of_the_day() -> None:
    folding = service(datetime(2024, 6, 1, tzinfo=UTC))
    folding.tell(open_account())
    answers = screened_in_a_row(folding, 20, apart=timedelta(minutes=1))
    assert [type(answer) for answer in answers] == [OrderCleared] * 19 + [OrderStopped]


def test_asking_again_gives_the_same_answer_and_counts_once() -> None:
    folding = given("open")
    for _ in range(30):
        assert folding.tell(screen()) == [cleared()]
    assert len(account(folding).recent) == 1
    assert folding.note == "screened_before"


def test_asking_again_about_a_stopped_order_gives_the_same_reasons() -> None:
    folding = given("stopped")
    folding.wait(timedelta(days=300))
    assert folding.tell(screen(total=usd(1))) == [stopped("large_order")]
    assert len(account(folding).stops) == 1


def test_somebody_unknown_is_stopped_and_can_appeal() -> None:
    folding = given("unknown")
    assert folding.tell(screen()) == [stopped("unknown_account")]
    assert account(folding).opened_at is None
    folding.tell(appeal(), verify())
    assert stop(folding).status == "verified"


def test_opening_the_account_later_keeps_what_was_stopped() -> None:
    folding = given("stopped_unknown")
    folding.tell(open_account())
    assert account(folding).country == "DE"
    assert folding.tell(screen()) == [stopped("unknown_account")]
    assert folding.tell(screen("order-2")) == [cleared("order-2")]


def test_what_is_remembered_is_bounded() -> None:
    folding = given("open")
    screened_in_a_row(folding, 100, apart=timedelta(days=1))
    assert len(account(folding).recent) == POLICY_2025.remembered


@for_all(gaps=st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_bulk_is_what_a_full_count_would_say(gaps: list[int]) -> None:
    folding = given("open")
    times: list[datetime] = []
    for number, hours in enumerate(gaps):
        folding.wait(timedelta(hours=hours))
        times.append(folding.now)
        within = sum(moment > folding.now - POLICY_2025.bulk_within for moment in times)
        (answer,) = folding.tell(screen(f"order-{number}"))
        assert isinstance(answer, OrderStopped) == (within >= POLICY_2025.bulk_orders)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_only_a_service_asks_for_screening(role: Role) -> None:
    assert given("open").refuses(screen(by=actor(role))) == "forbidden"


@pytest.mark.parametrize("role", list(Role))
def test_who_may_open_an_account(role: Role) -> None:
    person = role in (Role.BUYER, Role.SELLER)
    by = actor(role, PERSON if person else "someone")
    if person or role in (Role.SUPPORT, Role.SERVICE):
        assert service().tell(open_account(by))
    else:
        assert service().refuses(open_account(by)) == "forbidden"
    if person:
        assert service().refuses(open_account(actor(role, "b-2"))) == "forbidden"


def test_policies_are_in_order_and_can_count_what_they_ask_for() -> None:
    assert in_force(SCREENING_POLICIES, date(1999, 1, 1)) is POLICY_2020
    assert in_force(SCREENING_POLICIES, date(2024, 12, 31)) is POLICY_2020
    assert in_force(SCREENING_POLICIES, date(2025, 1, 1)) is POLICY_2025
    for policy in SCREENING_POLICIES:
        assert policy.remembered >= policy.bulk_orders
        assert policy.large_order["USD"] == 10_000_00
