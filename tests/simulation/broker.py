"""Topics in memory: partitions that only grow, in the order in which they were written."""

from collections.abc import Callable, Sequence

from contracts.message import PARTITIONS
from contracts.partition import partition_of
from runtime.delivery import RawRecord

Place = tuple[str, int]
"""A partition of a topic."""


class Broker:
    """All topics. Whoever listens to one hears which of its partitions has grown."""

    def __init__(self) -> None:
        self.logs: dict[Place, list[RawRecord]] = {}
        self.history: list[RawRecord] = []
        """Every record there is, in the order of writing."""
        self._listeners: dict[str, list[Callable[[Place], None]]] = {}

    def listen(self, topic: str, grown: Callable[[Place], None]) -> None:
        """Calls `grown(place)` after every append to a partition of the topic."""
        self._listeners.setdefault(topic, []).append(grown)
        for partition in range(PARTITIONS):
            self.logs.setdefault((topic, partition), [])

    def append(
        self, topic: str, key: bytes, headers: Sequence[tuple[str, bytes]], value: bytes, partition: int | None = None
    ) -> RawRecord:
        """Writes a record to the partition of its key."""
        place = topic, partition_of(key) if partition is None else partition
        log = self.logs.setdefault(place, [])
        record = RawRecord(*place, len(log), key, headers, value)
        log.append(record)
        self.history.append(record)
        for grown in self._listeners.get(topic, ()):
            grown(place)
        return record

    def again(self, record: RawRecord) -> RawRecord:
        """Writes a record once more, as a producer does that was not sure."""
        headers = [(name, raw or b"") for name, raw in record.headers]
        return self.append(record.topic, record.key or b"", headers, record.value or b"", record.partition)
