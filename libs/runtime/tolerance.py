"""Record headers whose name is not UTF-8: Kafka takes them from any client, and aiokafka then stops reading that
partition for ever. Here they are read with the strange bytes written as escapes, so that the message is handled, or
parked, like any other.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_BATCH_LENGTH = slice(8, 12)
_LENGTH_COUNTS_FROM = 12


class TolerantRecords:
    """Fetched batches, one after the other; stands for aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data)
        self.has_next = self._records.has_next
        self.size_in_bytes = self._records.size_in_bytes

    def next_batch(self) -> "_Batch":
        length = int.from_bytes(self._data[_BATCH_LENGTH], "big") + _LENGTH_COUNTS_FROM
        raw, self._data = self._data[:length], self._data[length:]
        return _Batch(self._records.next_batch(), raw)


class _Batch:
    """A batch, read by aiokafka's fast reader; from the first strange header on by its slow one, taught tolerance."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._batch:
                read += 1
                yield record
        except UnicodeDecodeError:
            slow = iter(_DefaultRecordBatchPy(self._raw))
            slow._buffer = _Escaping(slow._buffer)
            yield from islice(slow, read, None)

    def __next__(self) -> Any:
        return next(self._batch)


class _Escaping(bytearray):
    """Bytes that decode to text whatever they are."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Escaping(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def install() -> None:
    """Makes aiokafka's consumers of this process tolerant."""
    fetcher.MemoryRecords = TolerantRecords
