"""An open loop told second by second: when work that waited was caught up with, and when all was normal again."""

from collections.abc import Sequence

import pytest

from bench.live import CatchUp, Second, catch_up, normal_again, seconds

NORMAL = {"placed": 0.02, "whole": 0.7}


def state(clock: float, completed: int, moving: int) -> Second:
    return Second(clock, completed + moving, completed, moving)


CALM = [state(100.0 + n, 100 * n, 50) for n in range(6)]
OFF = [state(106.0 + n, 500, 150 + 100 * n) for n in range(4)]
"""Off from 105.5 to 109.5, at 100 orders a second."""


def catching_up(*moving: int) -> list[Second]:
    placed = OFF[-1].placed
    return [state(110.0 + n, placed + 100 * (n + 1) - left, left) for n, left in enumerate(moving)]


def test_all_is_caught_up_with_when_no_more_orders_are_in_flight_than_before() -> None:
    told = [*CALM, *OFF, *catching_up(350, 250, 150, 54, 50)]

    found = catch_up(told, off=105.5, on=109.5)

    completed = told[-2].completed - 500
    assert found == CatchUp(rate=completed / 3.5, seconds=3.5, whole=True, waiting=400)


def test_a_load_that_ends_before_gives_the_rate_until_then() -> None:
    told = [*CALM, *OFF, *catching_up(430, 410)]

    found = catch_up(told, off=105.5, on=109.5)

    assert not found.whole
    assert found.seconds == 1.5
    assert found.rate == pytest.approx((told[-1].completed - 500) / 1.5)


def test_nothing_is_caught_up_with_before_a_second_has_passed() -> None:
    assert catch_up([*CALM, *OFF], off=105.5, on=109.5) == CatchUp(0.0, 0.0, False, 400)


def test_what_is_normal_must_have_been_seen() -> None:
    with pytest.raises(ValueError, match="too short"):
        catch_up([*CALM[:2], *OFF], off=101.9, on=109.5)


def told(*p99: dict[str, float]) -> list[Second]:
    """A second each, from 100 on; the kill of these tests is at 105.5, the part is back at 107.5."""
    return [Second(100.0 + n, 0, 0, 0, one) for n, one in enumerate(p99)]


def again(after: Sequence[dict[str, float]]) -> float | None:
    return normal_again(told(*[NORMAL] * 6, *after), killed=105.5, back=107.5)


SLOW = {"placed": 0.02, "whole": 2.5}


def test_all_is_normal_with_the_first_of_three_quick_seconds_in_a_row() -> None:
    assert again([SLOW, SLOW, SLOW, NORMAL, SLOW, NORMAL, NORMAL, NORMAL]) == 111.0 - 107.5


@pytest.mark.parametrize("last", [[NORMAL, NORMAL], [NORMAL, NORMAL, SLOW], [SLOW]])
def test_fewer_quick_seconds_are_not_enough(last: list[dict[str, float]]) -> None:
    assert again([SLOW, SLOW, SLOW, *last]) is None


def test_a_second_without_effects_on_a_busy_way_is_not_normal() -> None:
    only_placed = {"placed": 0.02}

    assert again([only_placed] * 6) is None


def test_a_way_that_is_rare_may_be_missing_but_not_slow() -> None:
    before = [NORMAL, NORMAL, {**NORMAL, "disputed": 0.03}, NORMAL, NORMAL, NORMAL]
    slow = {**NORMAL, "disputed": 3.0}

    assert normal_again(told(*before, NORMAL, slow, slow, NORMAL, NORMAL, NORMAL), 105.5, 107.5) == 1.5


def test_a_fault_that_nobody_felt_was_normal_at_once() -> None:
    assert again([NORMAL] * 5) == 0.0


def test_without_anything_normal_before_nothing_is_normal_after() -> None:
    assert normal_again(told(NORMAL, NORMAL, NORMAL, NORMAL, NORMAL), killed=100.5, back=101.0) is None


def test_seconds_are_read_as_the_load_tells_them() -> None:
    line = {"at": 1.0, "clock": 101.0, "placed": 9, "completed": 4, "moving": 3, "p99": {"placed": 0.1}}

    assert seconds([line]) == [Second(101.0, 9, 4, 3, {"placed": 0.1})]
