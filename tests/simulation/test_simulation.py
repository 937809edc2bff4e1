"""The marketplace in many worlds: whatever happens in whatever order, what must be true is true after every step.

`make simulate SEEDS=1000` runs many; a failing one is run again by `pytest tests/simulation --seed N`.
"""

import os
import subprocess
import sys

import pytest

from tests.simulation.coverage import ENDINGS, refusals_of_orders
from tests.simulation.reach import NEVER, RARE, is_named
from tests.simulation.run import Result, world_of

ENOUGH, MANY = 200, 1_000
"""Worlds after which everything usual, and after which everything rare must have happened."""
WHAT_TO_DO = "rows of the saga that no line took any more; make what leads there more likely"


def test_what_must_be_true_is_true_after_every_step_in_every_world(ran: Result) -> None:
    print(f"\n{ran.seeds} worlds, {ran.steps} steps, {ran.handled} messages and timers handled")
    if ran.failures:
        failed = ", ".join(map(str, sorted(ran.failures)))
        stories = [ran.failures[seed] for seed in sorted(ran.failures)[:3]]
        pytest.fail("\n\n".join([f"seeds that failed: {failed}", *stories]), pytrace=False)


def test_every_row_of_the_saga_is_taken(ran: Result) -> None:
    if ran.seeds < ENOUGH:
        pytest.skip(f"fewer than {ENOUGH} worlds need not see everything")
    expected = {ending.row for ending in ENDINGS if not is_named(ending, (*NEVER, *RARE))}
    missing = sorted(expected - {ending.row for ending in ran.seen.saga})
    assert not missing, f"{WHAT_TO_DO}:\n" + "\n".join(missing)


def test_every_ending_of_every_row_is_come_to_in_many_worlds(ran: Result) -> None:
    if ran.seeds < MANY:
        pytest.skip(f"fewer than {MANY} worlds need not come to every ending")
    missing = [str(each) for each in sorted(ENDINGS - ran.seen.saga.keys()) if not is_named(each, NEVER)]
    assert not missing, f"{WHAT_TO_DO}:\n" + "\n".join(missing)


def test_what_cannot_happen_does_not(ran: Result) -> None:
    happened = [str(each) for each in sorted(ran.seen.saga) if is_named(each, NEVER)]
    assert not happened, "endings that were thought out of reach; strike them from the list:\n" + "\n".join(happened)


def test_every_excuse_is_for_an_ending_there_is() -> None:
    idle = [name for name in (*NEVER, *RARE) if not any(is_named(each, (name,)) for each in ENDINGS)]
    assert not idle, f"the table has no such rows any more: {idle}"


def test_orders_refuse_for_every_reason_they_have(ran: Result) -> None:
    if ran.seeds < ENOUGH:
        pytest.skip(f"fewer than {ENOUGH} worlds need not see everything")
    seen = {code for service, code in ran.seen.refused if service == "orders"}
    assert refusals_of_orders() <= seen


DIGEST = "from tests.simulation.run import world_of; world = world_of(8); world.run(); print(world.digest())"


def test_a_seed_is_the_same_world_in_every_process() -> None:
    world = world_of(8)
    world.run()
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    elsewhere = subprocess.run([sys.executable, "-c", DIGEST], env=environment, capture_output=True, text=True)
    assert elsewhere.stdout.strip() == world.digest(), elsewhere.stderr
