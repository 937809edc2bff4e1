"""What a consumer of aiokafka hands over: `RawRecord`s, made straight from the fetched batches.

aiokafka's own way makes two generators and an object of eleven fields for every record, which costs as much as reading
it; a service is handed nearly thirty records an order. It also stops reading a partition for ever at a record header
whose name is not UTF-8, which Kafka takes from any client. Here such a name is read with the strange bytes written as
escapes, so that the message is handled, or parked, like any other.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from runtime.delivery import RawRecord

_BATCH_LENGTH = slice(8, 12)
_LENGTH_COUNTS_FROM = 12


class _Batches:
    """Fetched batches, one after the other, each with its bytes; stands for aiokafka's `MemoryRecords`."""

    def __init__(self, data: bytes) -> None:
        self._records = MemoryRecords(data)
        self._data = memoryview(data)
        self.has_next = self._records.has_next
        self.size_in_bytes = self._records.size_in_bytes

    def next_batch(self) -> tuple[Any, memoryview]:
        length = int.from_bytes(self._data[_BATCH_LENGTH], "big") + _LENGTH_COUNTS_FROM
        raw, self._data = self._data[:length], self._data[length:]
        return self._records.next_batch(), raw


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in one answer. Every record is read: consumers here do not ask for committed
    transactions only, as nobody writes any."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[RawRecord]:
        topic, partition = self._tp
        while self._records.has_next():
            batch, raw = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            for record in () if batch.is_control_batch else _read(batch, raw):
                offset = record.offset
                # The broker sends whole batches, also where only their end was asked for.
                if offset >= self.next_fetch_offset:
                    self.next_fetch_offset = offset + 1
                    yield RawRecord(
                        topic, partition, offset, record.key, record.headers, record.value, record.timestamp
                    )
            # Behind the batch, whose last records may be gone by compaction.
            self.next_fetch_offset = batch.next_offset


def _read(batch: Any, raw: memoryview) -> Iterator[Any]:
    """The records of a batch by aiokafka's fast reader; from the first strange header on by its slow one, taught
    tolerance."""
    read = 0
    try:
        for record in batch:
            read += 1
            yield record
    except UnicodeDecodeError:
        slow = iter(_DefaultRecordBatchPy(raw))
        slow._buffer = _Escaping(slow._buffer)
        yield from islice(slow, read, None)


class _Escaping(bytearray):
    """Bytes that decode to text whatever they are."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Escaping(found) if isinstance(index, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


def install() -> None:
    """Has aiokafka's consumers of this process hand over `RawRecord`s."""
    fetcher.MemoryRecords = _Batches
    fetcher.PartitionRecords = _PartitionRecords
