"""M4: what is copied, how much of it fits, and what is made of the figures."""

import pytest

from bench.measures.growth import Grown, bytes_an_order, fitting, growth, total
from bench.meter import Used
from bench.plan import Mix, order
from bench.preload import Size, copied, copy_prefix
from bench.system import Drain


def grown(present: int, cpu_ms: float, table: int) -> Grown:
    drain = Drain({"orders": 1_000}, Used(1.0, {"orders": cpu_ms / 2, "postgres": cpu_ms / 2}), [])
    return Grown(present, [drain], [7_000.0], {"orders.orders": Size(table, table // 2)})


def test_growth_is_told_beside_the_first_size_with_the_goal_at_the_largest():
    found = [grown(1_000, 1.0, 0), grown(1_000_000, 1.05, 0), grown(10_000_000, 1.2, 27_000_000_000)]

    results = list(growth(found, {"orders.orders": Size(0, 0)}, 0, wanted=10_000_000))

    beyond = [one for one in results if one.unit == "%"]
    assert [one.median for one in beyond] == pytest.approx([5.0, 20.0])
    assert [one.reached for one in beyond] == [None, False]
    (kept,) = [one for one in results if one.what.startswith("bytes an order")]
    assert (kept.median, kept.details["tables"], kept.details["indexes"]) == (4_050, 2_700, 1_350)


def test_a_size_that_the_disk_did_not_hold_is_told():
    results = growth(
        [grown(1_000, 1.0, 0), grown(3_000_000, 1.1, 0)], {"orders.orders": Size(0, 0)}, 0, wanted=10_000_000
    )

    (beyond,) = [one for one in results if one.goal]
    assert "no disk for 10,000,000" in beyond.what


def test_no_more_orders_are_copied_than_wanted_and_than_fit():
    assert fitting(1_000_000, 3_000, bytes_each=10, free=1 << 40) == 997_000
    assert fitting(1_000_000, 3_000, bytes_each=10_000, free=1_000_000_000) == 40_000
    assert fitting(1_000, 3_000, bytes_each=10, free=1 << 40) == 0


def test_what_tables_held_before_is_of_none_of_the_orders():
    each = bytes_an_order({"a": Size(100, 10), "b": Size(5, 5)}, {"a": Size(1_100, 1_010), "b": Size(5, 5)}, 100)

    assert each == {"a": Size(10, 10), "b": Size(0, 0)}
    assert total(each) == Size(10, 10)


def test_ids_are_those_of_the_copy_wherever_they_stand():
    assert copied("id", "text") == 'replace("id", $1, $2)'
    assert copied("state", "json") == 'replace("state"::text, $1, $2)::json'
    assert copied("amount", "bigint") == '"amount"'


def test_copies_come_before_what_is_ordered_later():
    ids = [copy_prefix(number) for number in (0, 9, 10, 9_999)]

    assert ids == sorted(ids)
    assert max(ids) < order(Mix(), "ord-1", 0).order_id
