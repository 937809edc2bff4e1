"""The plan: the same orders for everyone, with exact shares of fates."""

from itertools import islice

import pytest

from bench.plan import BLOCK, Fate, Mix, fate, order, orders, tally


@pytest.mark.parametrize("seed", [1, 2, 2026])
def test_every_hundred_orders_hold_exactly_the_shares_of_the_mix(seed: int) -> None:
    mix = Mix(seed=seed)

    for block in range(20):
        dealt = tally(mix, BLOCK, first=block * BLOCK)
        assert dealt == {Fate.CONFIRMED: 93, Fate.DISPUTED: 5, Fate.UNSHIPPED: 2}


def test_fates_stand_in_other_places_in_every_hundred_and_under_every_seed() -> None:
    def places(mix: Mix, block: int) -> tuple[int, ...]:
        numbers = range(block * BLOCK, (block + 1) * BLOCK)
        return tuple(number % BLOCK for number in numbers if fate(mix, number) is not Fate.CONFIRMED)

    seen = {places(Mix(seed=seed), block) for seed in (1, 2) for block in range(10)}

    assert len(seen) == 20


def test_an_order_is_the_same_whenever_it_is_asked_for() -> None:
    mix = Mix()

    assert list(orders(mix, "a", 300))[250:] == list(orders(mix, "a", 50, first=250))
    assert order(mix, "a", 7) == order(Mix(), "a", 7)


def test_ids_of_runs_differ_and_sort_by_number() -> None:
    mix = Mix()

    ids = [one.order_id for one in orders(mix, "a", 1_000)]

    assert ids == sorted(set(ids))
    assert not set(ids) & {one.order_id for one in orders(mix, "b", 1_000)}


def test_parties_are_among_those_of_the_mix_and_all_of_them_take_part() -> None:
    mix = Mix(sellers=50, buyers=200)

    placed = list(orders(mix, "a", 2_000))

    assert len({one.buyer_id for one in placed}) == 200
    assert len({one.seller_id for one in placed}) == 50


def test_nobody_orders_so_often_that_screening_would_stop_it() -> None:
    mix = Mix(buyers=1_000)

    buyers = [one.buyer_id for one in orders(mix, "a", 4_000)]

    assert max(buyers.count(buyer) for buyer in set(islice(buyers, 20))) == 4


@pytest.mark.parametrize(("ends", "share"), [(Fate.CONFIRMED, 0.0), (Fate.DISPUTED, 0.5), (Fate.UNSHIPPED, 1.0)])
def test_the_buyer_has_back_what_the_fate_says(ends: Fate, share: float) -> None:
    one = next(one for one in orders(Mix(), "a", 1_000) if one.fate is ends and one.amount % 2 == 0)

    assert one.to_buyer == one.amount * share
