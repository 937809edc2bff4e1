"""Differences in a statement: each is recorded, each is what its name says, and a day tells the same every time."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.money import Money
from contracts.statement import EntryKind, StatementEntry
from simulators.faults import NONE, STATEMENT_FAULTS, Faults
from simulators.payments.planting import Planted, with_differences

NOON = datetime(2025, 5, 17, 12, tzinfo=UTC)


def entry(number: int, days: int = 0) -> StatementEntry:
    return StatementEntry(
        operation_id=f"pay-o{number}-1",
        reference=f"o{number}",
        kind=EntryKind.PAYMENT,
        amount=Money(amount=1000 + number, currency="EUR"),
        at=NOON + timedelta(days=days, seconds=number),
    )


DAY = [entry(number) for number in range(500)]
NEXT = [entry(number, days=1) for number in range(500, 900)]


def always(word: str, moved: list[StatementEntry]) -> tuple[list[StatementEntry], list[Planted]]:
    return with_differences(Faults("a", {word: 10_000}), [], moved)


def test_a_provider_without_faults_tells_the_truth() -> None:
    assert with_differences(NONE, NEXT, DAY) == (DAY, [])


def test_a_missing_entry_is_not_stated() -> None:
    assert always("missing", [entry(1)]) == ([], [Planted(kind="missing", true=entry(1))])


def test_an_extra_entry_stands_beside_the_true_one() -> None:
    stated, (planted,) = always("extra", [entry(1)])
    assert stated == [entry(1), planted.stated]
    assert planted.true is None and planted.stated and planted.stated.operation_id.startswith("unknown-")


def test_a_wrong_amount_is_another_of_the_same_currency() -> None:
    stated, (planted,) = always("wrong_amount", [entry(1)])
    assert stated == [planted.stated] and planted.true == entry(1)
    assert stated[0].amount.amount != entry(1).amount.amount and stated[0].amount.currency == "EUR"


@pytest.mark.parametrize(("currency", "other"), [("EUR", "USD"), ("USD", "EUR"), ("JPY", "USD")])
def test_a_wrong_currency_is_another_for_the_same_number(currency: str, other: str) -> None:
    moved = entry(1).model_copy(update={"amount": Money(amount=5, currency=currency)})
    (stated,), (planted,) = always("wrong_currency", [moved])
    assert stated.amount == Money(amount=5, currency=other) and planted.true == moved


def test_an_entry_of_another_day_is_stated_on_the_next() -> None:
    late = Faults("a", {"other_day": 10_000})
    assert with_differences(late, [], [entry(1)]) == ([], [Planted(kind="other_day", true=entry(1))])
    assert with_differences(late, [entry(1)], []) == ([entry(1)], [Planted(kind="other_day", stated=entry(1))])


def test_what_is_stated_is_the_truth_but_for_what_is_planted() -> None:
    faults = Faults("a", dict.fromkeys(STATEMENT_FAULTS, 1_000))
    stated, planted = with_differences(faults, DAY, NEXT)
    assert (stated, planted) == with_differences(faults, DAY, NEXT)
    assert {one.kind for one in planted} == set(STATEMENT_FAULTS)
    wrong = [one.stated for one in planted if one.stated]
    hidden = [one.true for one in planted if one.true]
    truth = [one for one in stated if one not in wrong] + hidden
    assert sorted(truth, key=lambda one: one.at) == NEXT


def test_what_is_put_off_is_stated_once() -> None:
    faults = Faults("a", {"other_day": 3_000})
    first, _ = with_differences(faults, [], DAY)
    second, _ = with_differences(faults, DAY, NEXT)
    third, _ = with_differences(faults, NEXT, [])
    assert sorted([*first, *second, *third], key=lambda one: one.at) == [*DAY, *NEXT]
