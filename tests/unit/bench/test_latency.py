"""M3: percentiles of open loops, and which of them the goal is for."""

from bench.histogram import Histogram
from bench.measures.latency import PARTS, WAYS, latencies, percentiles


def loop(seconds: float) -> dict[str, dict[str, object]]:
    """What a loop tells in which every way took so long, but for one in fifty that took a second."""
    histogram = Histogram()
    for number in range(1_000):
        histogram.add(1.0 if number % 50 == 0 else seconds)
    return {way.name: histogram.to_dict() for way in WAYS}


def test_the_goal_is_for_one_hop_at_half_load():
    results = list(latencies(2_000.0, {part: [loop(0.01)] for part in PARTS}))

    assert [(one.details["way"], one.details["rate"]) for one in results if one.goal] == [("placed", 1_000.0)]
    assert {one.details["way"] for one in results} == {way.name for way in WAYS}


def test_each_loop_is_a_sample_and_all_together_are_the_details():
    results = list(latencies(2_000.0, {part: [loop(0.01), loop(0.04), loop(0.01)] for part in PARTS}))
    half = next(one for one in results if one.goal)

    assert len(half.samples) == 3 and all(1_000 <= one <= 1_020 for one in half.samples)
    assert 10 <= half.details["ms"]["p50"] <= 10.2
    assert set(half.details["by_part"]) == {"25", "50", "80"}
    assert [x for x, _ in half.details["plot"]["lines"]["p99"]] == list(PARTS)


def test_percentiles_are_of_all_histograms_together():
    fast, slow = Histogram(), Histogram()
    for _ in range(990):
        fast.add(0.001)
    for _ in range(10):
        slow.add(0.5)

    found = percentiles([fast, slow])

    assert 1 <= found["p99"] <= 1.02
    assert 500 <= found["p99.9"] <= 510
    assert 500 <= percentiles([slow])["p50"] <= 510
