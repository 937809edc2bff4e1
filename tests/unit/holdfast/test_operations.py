"""What waits for an operator, of what the services show; and where a process of a stack can be read."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from holdfast.addresses import Addresses
from holdfast.operations import of_escrow, of_orders

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
HERE = Addresses(pid=7, postgres="", kafka="", clock="real", services={}, databases={})


def queued(**about: Any) -> dict[str, Any]:
    concern = {"operation_id": "payout-o-1-5", "code": "operation_failed", "since": SINCE.isoformat()}
    return {"order_id": "o-1", "concerns": [concern], "operations": [{"operation_id": "payout-o-1-5", **about}]}


def not_taken(with_operator: bool) -> dict[str, Any]:
    return {
        "operation_id": "pay-o-1-2",
        "amount": {"amount": 1500, "currency": "EUR"},
        "why": "not_as_asked",
        "received_at": SINCE.isoformat(),
        "with_operator": with_operator,
    }


def test_an_operation_of_the_queue_says_what_it_is_why_it_waits_and_how_it_goes_on() -> None:
    (one,) = of_escrow(queued(kind="payout", amount={"text": "18.00 EUR"}))
    assert one[:5] == ("o-1", "payout-o-1-5", SINCE, "payout of 18.00 EUR", "operation failed")
    for verb in ("retry", "result"):
        assert f"holdfast operations {verb} o-1 payout-o-1-5" in one.what_to_do


def test_a_concern_about_no_operation_of_the_order_is_told_by_its_id() -> None:
    (one,) = of_escrow(queued(kind="payout", amount={"text": "18.00 EUR"}) | {"operations": []})
    assert one.what == "payout-o-1-5"


def test_only_returns_that_have_stopped_wait_for_an_operator() -> None:
    order = {"order_id": "o-1", "payment": {"not_taken": [not_taken(False), not_taken(True)]}}
    (one,) = of_orders(order)
    assert (one.operation_id, one.what, one.why) == ("pay-o-1-2", "return of 15.00 EUR", "not as asked")
    assert "holdfast operations return o-1 pay-o-1-2" in one.what_to_do


@pytest.mark.parametrize(
    ("pid", "where"), [(7, "escrow.log in the stack's folder"), (0, "`docker compose logs escrow`")]
)
def test_logs_are_read_where_the_stack_runs(pid: int, where: str) -> None:
    assert replace(HERE, pid=pid).log_of("escrow") == where
