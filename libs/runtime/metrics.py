"""What a service tells Prometheus. Every name begins with `holdfast_` and ends with its unit; no label is an id.

What is counted on the way (batches, messages, requests) is counted in memory. Gauges are read when somebody scrapes,
from what the process knows and from a few rows of its database, which costs the same however many orders there are.
"""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from runtime.progress import Moving
from runtime.watches import Declared, Kept, Watch

READ_EVERY = 1.0
"""Seconds; whoever scrapes more often is told the same again."""

GAUGES = {
    "outbox_rows": "Messages decided and not yet published; of the first 100,000 rows",
    "outbox_oldest_age_seconds": "Age of the oldest message not yet published, 0 without one",
    "timers_overdue": "Timers due and not fired; counted up to 100,000",
    "timers_overdue_age_seconds": "How long the oldest of them has been due, by the clock of the service",
    "parked_keys": "Keys that stand still behind a dead letter",
    "dead_letters": "Messages parked: failed ones and those that wait behind them; counted up to 100,000",
    "parked_keys_oldest_age_seconds": "How long the first of them has stood, by the service's clock, or 0",
    "consumer_lag_messages": "Messages on this replica's partitions that are not handled yet",
    "consumer_lag_seconds": "Age of the oldest of them, 0 without one",
    "consumer_partitions": "Partitions that this replica has; over all replicas every one belongs to somebody",
    "relay_leading": "1 on the replica that publishes for all, else 0",
}

_TOLD_AS: Mapping[str, Sequence[tuple[str, Sequence[str]]]] = {
    "gauge": (("", ()),),
    "counter": (("_total", ()),),
    "histogram": (("_bucket", ("le",)), ("_sum", ()), ("_count", ())),
}
"""The series of a kind of metric, with the labels that each adds."""

STALLED = Declared("stalled", "1 for a part that makes no progress though there is work, else 0", ("part",))
INSTANCES = Declared("saga_instances", "Instances of an aggregate by state, exact", ("aggregate", "state"))
WATCH_AGE = Declared("watch_age_seconds", "Age of the last reading of a background watch", ("watch",))


class Metrics:
    """One registry a process, so that several services can live in one test."""

    def __init__(self, service: str, watches: Sequence[Watch] = ()) -> None:
        self.registry = registry = CollectorRegistry()
        self._service = service
        self._read_at = float("-inf")
        self._series: dict[str, frozenset[str]] = {}

        def counters(name: str, text: str, *labels: str) -> Counter:
            return Counter(*self._named("counter", Declared(name, text, labels)), registry=registry)

        def histograms(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(
                *self._named("histogram", Declared(name, text, labels)), buckets=buckets, registry=registry
            )

        def counter(name: str, text: str) -> Counter:
            return counters(name, text).labels(service)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return histograms(name, text, buckets).labels(service)

        self._messages = counters("messages", "Messages by what came of them", "origin", "result")
        self._requests = histograms(
            "http_request_seconds",
            "HTTP requests by route and status, from the first byte to the last",
            (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            *("method", "route", "status"),
        )
        self.batch_seconds = histogram(
            "batch_seconds", "One transaction of the pump", (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30)
        )
        self.batch_messages = histogram(
            "batch_messages", "Messages in one transaction", (1, 5, 20, 100, 250, 500, 1000)
        )
        self.retries = counter("batch_retries", "Batches tried again")
        self.sent = counter("relayed_messages", "Outbox rows published")
        self.relay_faults = counter("relay_faults", "Relay rounds that failed")
        self.spans_dropped = counter("spans_dropped", "Spans that never reached the collector")
        self._gauges = {name: self._declare(Declared(name, text)) for name, text in GAUGES.items()}
        self._stalled, self._instances, self._watch_age = map(self._declare, (STALLED, INSTANCES, WATCH_AGE))
        self._watched = {each.name: self._declare(each) for watch in watches for each in watch.gauges}
        ProcessCollector(registry=registry)

    def due(self, now: float) -> bool:
        """Whether the gauges are to be read anew: not when they were within the last second."""
        if now < self._read_at + READ_EVERY:
            return False
        self._read_at = now
        return True

    def _declare(self, gauge: Declared) -> Gauge:
        return Gauge(*self._named("gauge", gauge), registry=self.registry)

    def _named(self, kind: str, metric: Declared) -> tuple[str, str, list[str]]:
        """Name, meaning and labels of a metric, noted with what it is told as."""
        name, labels = f"holdfast_{metric.name}", ["service", *metric.labels]
        for suffix, more in _TOLD_AS[kind]:
            self._series[name + suffix] = frozenset(labels) | frozenset(more)
        return name, metric.help, labels

    def count(self, deliveries: Iterable[Any], answers: Mapping[int, object]) -> None:
        """Counts what a committed batch came to."""
        results = Tally((delivery.origin, type(answers[id(delivery)])) for delivery in deliveries)
        self.batch_messages.observe(results.total())
        for (origin, result), count in results.items():
            self._messages.labels(self._service, origin.value, result.__name__.lower()).inc(count)

    def passed_by(self, messages: int) -> None:
        """Counts messages from Kafka that were for others."""
        self._messages.labels(self._service, "kafka", "passed").inc(messages)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an HTTP request; `route` is the pattern, not the path."""
        self._requests.labels(self._service, method, route, str(status)).observe(seconds)

    def set(self, gauges: Mapping[str, float]) -> None:
        """Sets gauges of `GAUGES` by name."""
        for name, value in gauges.items():
            self._gauges[name].labels(self._service).set(value)

    def set_stalled(self, parts: Iterable[Moving]) -> None:
        """Which parts make no progress."""
        standing = set(parts)
        for part in Moving:
            self._stalled.labels(self._service, part.value).set(part in standing)

    def set_instances(self, counts: Mapping[tuple[str, str], int]) -> None:
        """How many instances there are, by aggregate and state."""
        self._instances.clear()
        for (aggregate, state), count in counts.items():
            self._instances.labels(self._service, aggregate, state).set(count)

    def set_watched(self, kept: Mapping[str, Kept]) -> None:
        """What the watches found last. A label that is gone from the readings is gone from the gauge."""
        for gauge in self._watched.values():
            gauge.clear()
        for name, last in kept.items():
            self._watch_age.labels(self._service, name).set(last.age)
            for reading in last.readings:
                if reading.name in self._watched:
                    self._watched[reading.name].labels(self._service, *reading.labels).set(reading.value)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)

    def labels(self) -> Mapping[str, frozenset[str]]:
        """Every series of ours that may be told, under the name that queries use, with the labels it has."""
        return self._series
