"""What a service tells Prometheus. Base units; no ids as labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """One registry a process, so that several services can live in one test."""

    def __init__(self, service: str) -> None:
        self.registry = registry = CollectorRegistry()
        self._messages = Counter(
            "holdfast_messages", "Messages by what came of them", ["service", "origin", "result"], registry=registry
        )

        def counter(name: str, text: str) -> Counter:
            return Counter(f"holdfast_{name}", text, ["service"], registry=registry).labels(service)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"holdfast_{name}", text, ["service"], buckets=buckets, registry=registry).labels(service)

        self.batch_seconds = histogram(
            "batch_seconds", "One transaction of the pump", (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30)
        )
        self.batch_messages = histogram(
            "batch_messages", "Messages in one transaction", (1, 5, 20, 100, 250, 500, 1000)
        )
        self.retries = counter("batch_retries", "Batches tried again")
        self.sent = counter("relayed_messages", "Outbox rows published")
        self.relay_faults = counter("relay_faults", "Relay rounds that failed")
        self.gauges = {
            name: Gauge(f"holdfast_{name}", text, ["service"], registry=registry).labels(service)
            for name, text in {
                "outbox_rows": "Messages not yet published",
                "outbox_oldest_age_seconds": "Age of the oldest of them",
                "timers_overdue": "Timers due and not fired",
                "parked_keys": "Keys that stand still",
                "dead_letters": "Messages parked",
                "consumer_lag_messages": "Messages not yet handled, over this replica's partitions",
            }.items()
        }
        self._service = service

    def count(self, deliveries: Iterable[Any], answers: Mapping[int, object]) -> None:
        """Counts what a committed batch came to."""
        results: dict[tuple[str, str], int] = {}
        total = 0
        for delivery in deliveries:
            label = (delivery.origin.value, type(answers[id(delivery)]).__name__.lower())
            results[label] = results.get(label, 0) + 1
            total += 1
        self.batch_messages.observe(total)
        for (origin, result), count in results.items():
            self._messages.labels(self._service, origin, result).inc(count)
