"""Results: medians, goals, and the file of a run."""

from pathlib import Path
from typing import Any

import pytest

from bench.result import Result, read, write


def a_result(*samples: float, **more: Any) -> Result:
    return Result("M1", "completed orders a second", "orders/s", samples, **more)


def test_the_median_is_what_counts_and_the_spread_is_told() -> None:
    one = a_result(90.0, 100.0, 130.0)

    assert one.median == 100.0
    assert one.spread == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("goal", "better", "reached"),
    [(None, "higher", None), (99.0, "higher", True), (100.0, "higher", True), (101.0, "higher", False),
     (99.0, "lower", False), (100.0, "lower", True), (101.0, "lower", True)],
)  # fmt: skip
def test_a_goal_is_reached_from_its_own_side(goal: float | None, better: Any, reached: bool | None) -> None:
    assert a_result(100.0, goal=goal, better=better).reached is reached


def test_a_run_comes_back_from_its_file(tmp_path: Path) -> None:
    results = [a_result(1.0, 2.0, goal=2.0, better="higher", details={"by_process": {"orders": 0.5}}), a_result(3.0)]

    write(tmp_path / "results.json", {"cores": 2}, results)
    machine, found = read(tmp_path / "results.json")

    assert machine == {"cores": 2}
    assert [(one.measure, list(one.samples), one.goal, one.better, one.details) for one in found] == [
        (one.measure, list(one.samples), one.goal, one.better, one.details) for one in results
    ]
