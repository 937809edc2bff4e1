"""Latencies by the share of orders that had them, in buckets 2 % apart: small however many are added, and mergeable."""

from collections import Counter
from collections.abc import Iterable
from math import ceil, exp, log
from typing import Any

STEP = log(1.02)
SMALLEST = 1e-5
"""Seconds; what is shorter counts as this."""
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Histogram:
    """Seconds in buckets. A percentile is the upper end of its bucket: at most 2 % too much, never too little."""

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self.buckets: Counter[int] = Counter(dict(buckets))

    def add(self, seconds: float) -> None:
        self.buckets[ceil(log(max(seconds, SMALLEST) / SMALLEST) / STEP)] += 1

    def merge(self, other: "Histogram") -> None:
        self.buckets.update(other.buckets)

    def since(self, earlier: "Histogram | None") -> "Histogram":
        """What came after this was as `earlier`."""
        return Histogram((self.buckets - earlier.buckets if earlier else self.buckets).items())

    @property
    def count(self) -> int:
        return self.buckets.total()

    def at(self, share: float) -> float:
        """Seconds within which `share` (0 to 1) of all came; 0 where there are none."""
        left = ceil(share * self.count)
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return SMALLEST * exp(bucket * STEP)
        return 0.0

    def to_dict(self) -> dict[str, Any]:
        """Count, percentiles in seconds, and the buckets, which `Histogram` takes back."""
        named = {name: round(self.at(share), 6) for name, share in SHARES.items()}
        return {"count": self.count, **named, "buckets": sorted(self.buckets.items())}
