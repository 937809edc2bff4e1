"""Latencies: percentiles are never too small, and at most 2 % too large."""

import random
from math import ceil

import pytest

from bench.histogram import Histogram


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999, 1.0])
def test_a_percentile_is_at_most_one_bucket_too_much(share: float) -> None:
    dealt = random.Random(8)
    samples = [dealt.lognormvariate(-4, 1) for _ in range(5_000)]
    found = Histogram()
    for seconds in samples:
        found.add(seconds)

    exact = sorted(samples)[ceil(share * len(samples)) - 1]

    assert exact <= found.at(share) * 1.000001
    assert found.at(share) <= exact * 1.0201


def test_two_histograms_are_one_as_if_it_had_been_one() -> None:
    one, other, both = Histogram(), Histogram(), Histogram()
    for number in range(1, 200):
        (one if number % 3 else other).add(number / 100)
        both.add(number / 100)

    one.merge(other)

    assert one.to_dict() == both.to_dict()
    assert Histogram(one.to_dict()["buckets"]).to_dict() == both.to_dict()


def test_nothing_measured_is_told_as_nothing() -> None:
    assert Histogram().to_dict()["count"] == 0
    assert Histogram().at(0.99) == 0.0


def test_what_came_since_is_told_apart() -> None:
    earlier, now = Histogram(), Histogram()
    earlier.add(5.0)
    for seconds in (5.0, 0.01, 0.02):
        now.add(seconds)

    assert now.since(earlier).count == 2
    assert now.since(earlier).at(1.0) == pytest.approx(0.02, rel=0.02)
    assert now.since(None).count == 3
