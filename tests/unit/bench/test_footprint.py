"""Growth for data that is kept, and growth beyond it."""

import pytest

from bench.footprint import Footprint, Growth, Table, growths, later_half, per_hour
from bench.measures.steady import memory, space
from holdfast.addresses import SERVICES

KB, MB = 1_000, 1_000_000


def at(seconds: float, table: Table, name: str = "orders.orders", memory: float = 90) -> Footprint:
    processes = (*SERVICES, "postgres", "kafka")
    return Footprint(seconds, {one: int(memory * MB) for one in processes}, {name: table})


def test_rows_that_stay_may_take_the_space_that_they_took_until_then() -> None:
    middle = at(60, Table(heap=1_000 * KB, indexes=200 * KB, rows=2_000, dead=0))
    end = at(120, Table(heap=1_500 * KB, indexes=350 * KB, rows=3_000, dead=0))

    assert growths(middle, end) == {
        "orders.orders": Growth(kept=500 * KB, beyond=0),
        "orders.orders indexes": Growth(kept=100 * KB, beyond=50 * KB),
    }


def test_a_queue_keeps_nothing() -> None:
    middle = at(60, Table(heap=100 * KB, indexes=0, rows=10, dead=900), "orders.outbox")
    end = at(120, Table(heap=180 * KB, indexes=0, rows=900, dead=900), "orders.outbox")

    assert growths(middle, end)["orders.outbox"] == Growth(kept=0, beyond=80 * KB)


def test_a_table_that_shrinks_counts_against_those_that_grow() -> None:
    middle = at(60, Table(heap=100 * KB, indexes=0, rows=10, dead=0))
    end = at(120, Table(heap=40 * KB, indexes=0, rows=10, dead=0))

    assert growths(middle, end)["orders.orders"].beyond == -60 * KB


def test_growth_an_hour_is_the_slope() -> None:
    assert per_hour([(0, 5.0), (60, 6.0), (120, 7.0)]) == pytest.approx(60.0)
    assert per_hour([(0, 5.0), (60, 5.0)]) == 0
    assert per_hour([(0, 5.0)]) == 0


RUN = [
    at(60.0 * n, Table(heap=n * MB, indexes=n * MB // 2, rows=2_000 * n, dead=10 * n), memory=80 + n)
    for n in range(1, 9)
]


def test_the_second_half_is_looked_at() -> None:
    assert [one.at for one in later_half(RUN)] == [240.0, 300.0, 360.0, 420.0, 480.0]


def test_memory_that_goes_on_to_grow_is_not_flat() -> None:
    largest, growth = memory(RUN, goal=True)

    assert (largest.median, largest.reached) == (88.0, True)
    assert growth.median == pytest.approx(60.0)
    assert growth.reached is False


def test_a_quick_run_has_no_goal_for_growth() -> None:
    results = [*memory(RUN, goal=False), *space(RUN, goal=False)]

    assert [one.reached for one in results] == [True, None, None, None]


def test_data_that_is_kept_at_the_same_density_is_flat() -> None:
    beyond, dead = space(RUN, goal=True)

    assert beyond.median == pytest.approx(0.0)
    assert beyond.goal == pytest.approx(1.5 * 60 * 0.05)
    assert beyond.reached
    assert (dead.details["first_half"], dead.median) == (30, 80)


def test_dead_rows_that_take_ever_more_space_are_growth() -> None:
    bloated = [at(one.at, Table(n * n * MB, n * MB // 2, 2_000 * n, 100 * n * n)) for n, one in enumerate(RUN, start=1)]

    beyond, _ = space(bloated, goal=True)

    # From 16 MB at 8,000 rows to 64 MB at 16,000: as much again was kept, 32 MB in four minutes were not.
    assert beyond.median == pytest.approx(32 * 15)
    assert beyond.reached is False
