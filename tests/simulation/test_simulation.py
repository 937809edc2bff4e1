"""The marketplace in many worlds: whatever happens in whatever order, what must be true is true after every step.

`make simulate SEEDS=1000` runs many; a failing one is run again by `pytest tests/simulation --seed N`.
"""

import pytest

from tests.simulation.coverage import ROWS, refusals_of_orders
from tests.simulation.reach import NEVER, RARE, is_named
from tests.simulation.run import Result

ENOUGH, MANY = 60, 1_000
"""Worlds after which everything usual, and after which everything rare must have happened."""


def test_what_must_be_true_is_true_after_every_step_in_every_world(ran: Result) -> None:
    print(f"\n{ran.seeds} worlds, {ran.steps} steps, {ran.handled} messages and timers handled")
    if ran.failures:
        failed = ", ".join(map(str, sorted(ran.failures)))
        stories = [ran.failures[seed] for seed in sorted(ran.failures)[:3]]
        pytest.fail("\n\n".join([f"seeds that failed: {failed}", *stories]), pytrace=False)


def test_every_row_of_the_saga_is_taken(ran: Result) -> None:
    if ran.seeds < ENOUGH:
        pytest.skip(f"fewer than {ENOUGH} worlds need not see everything")
    excused = (*NEVER, *RARE) if ran.seeds < MANY else (*NEVER,)
    missing = [row for row in sorted(set(ROWS.values()) - set(ran.seen.saga)) if not is_named(row, excused)]
    assert not missing, "rows that no line took any more; make what leads there more likely:\n" + "\n".join(missing)


def test_what_cannot_happen_does_not(ran: Result) -> None:
    happened = [row for row in sorted(ran.seen.saga) if is_named(row, NEVER)]
    assert not happened, "rows that were thought out of reach; strike them from the list:\n" + "\n".join(happened)


def test_every_excuse_is_for_a_row_there_is() -> None:
    idle = [name for name in (*NEVER, *RARE) if not any(is_named(row, (name,)) for row in set(ROWS.values()))]
    assert not idle, f"the table has no such rows any more: {idle}"


def test_orders_refuse_for_every_reason_they_have(ran: Result) -> None:
    if ran.seeds < ENOUGH:
        pytest.skip(f"fewer than {ENOUGH} worlds need not see everything")
    seen = {code for service, code in ran.seen.refused if service == "orders"}
    assert refusals_of_orders() <= seen
