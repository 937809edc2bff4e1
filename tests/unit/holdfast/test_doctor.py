"""What is made of what the services tell: stuck orders, and the checks of a doctor."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from holdfast import doctor, stuck
from holdfast.doctor import Verdict
from holdfast.durations import duration

SINCE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("free", "verdict"),
    [(0.5, Verdict.FAIL), (3.0, Verdict.WARN), (50.0, Verdict.OK)],
    ids=["full", "little", "enough"],
)
def test_a_full_disk_is_a_fault_and_a_small_one_a_warning(free: float, verdict: Verdict) -> None:
    found = doctor.disk(free)
    assert found.verdict is verdict
    assert bool(found.to_do) is (verdict is not Verdict.OK)


def test_whatever_is_not_well_says_what_to_do() -> None:
    letters = json.dumps({"letters": [{"key": "o-1"}, {"key": "o-1"}, {"key": "o-2"}]})
    judged = [
        doctor.dead_letters(letters),
        doctor.overdue_timers('# HELP\nholdfast_timers_overdue{service="escrow"} 3.0\n'),
        doctor.proof('{"ok": false}'),
        doctor.queued('{"orders": [1]}'),
    ]
    assert [verdict for verdict, _, _ in judged] == [Verdict.FAIL, Verdict.WARN, Verdict.FAIL, Verdict.WARN]
    assert judged[0][1] == "3 messages of 2 keys stand still: o-1, o-2"
    assert all("holdfast" in to_do for _, _, to_do in judged)


def test_what_is_well_says_no_more() -> None:
    judged = [
        doctor.dead_letters('{"letters": []}'),
        doctor.overdue_timers('holdfast_timers_overdue{service="escrow"} 0.0\n'),
        doctor.proof('{"ok": true}'),
        doctor.queued('{"orders": []}'),
    ]
    assert all((verdict, to_do) == (Verdict.OK, "") for verdict, _, to_do in judged)


def test_what_cannot_be_read_is_not_called_well() -> None:
    assert doctor.overdue_timers("# HELP\n")[0] is Verdict.WARN


def test_an_operator_is_told_which_operation_waits_and_where_to_decide() -> None:
    concern = {"operation_id": "o-1/refund/1", "code": "provider_failed", "since": SINCE.isoformat()}
    known = {"operation_id": "o-1/refund/1", "kind": "refund", "amount": {"text": "15.00 EUR"}}
    (one,) = stuck.with_operator({"order_id": "o-1", "concerns": [concern], "operations": [known]})
    assert (one.id, one.since, one.why) == ("o-1", SINCE, "refund of 15.00 EUR: provider failed")
    assert "holdfast operations retry o-1 o-1/refund/1" in one.what_to_do


def test_a_parked_key_and_a_passed_deadline_are_stuck_too() -> None:
    letter = {"seq": 7, "key": "o-1", "code": "invalid_data", "error": "amount", "parked_at": SINCE.isoformat()}
    assert stuck.parked("orders", letter).what_to_do == "holdfast dlq show orders:7"
    late = {"order_id": "o-2", "due_at": SINCE.isoformat(), "lines": [{"state": "awaiting_shipment"}]}
    assert stuck.overdue(late).why == "its deadline has passed (awaiting shipment)"


@pytest.mark.parametrize(
    ("text", "span"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("6h", timedelta(hours=6)), ("2d", timedelta(2)),
     ("", None), ("2", None), ("d", None), ("-1d", None), ("2 d", None), ("999999999d", timedelta(999999999)),
     ("1w", None), ("9999999999d", None)],
)  # fmt: skip
def test_durations_are_numbers_with_a_unit(text: str, span: timedelta | None) -> None:
    assert duration(text) == span


def test_ages_are_told_in_the_largest_unit_that_fits() -> None:
    assert [stuck.age(timedelta(minutes=minutes)) for minutes in (5, 90, 3_000)] == ["5 min", "1 h", "2 d"]
