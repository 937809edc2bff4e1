"""Records that only other clients can make: the consumer reads them, and goes on."""

import gzip
import struct
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from contracts.partition import partition_of
from runtime.app import Running
from tests.servers import Kafka
from tests.toy import toy
from tests.toy.parts import Client, add, client, fresh_topics, numbers, running
from tests.waiting import eventually

LENGTH, CRC, ATTRIBUTES, COMPRESSION, RECORDS = 8, 17, 21, 22, 61
"""Where in a record batch these stand; the length counts what is behind it, the checksum is of ATTRIBUTES and on."""
GZIP = 1
CE_HEADERS = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"s"), ("ce_type", b"toy.add.v1")]


@pytest.fixture
async def other(kafka: Kafka) -> AsyncIterator[Client]:
    await fresh_topics(kafka.bootstrap)
    async with client(kafka.bootstrap) as one:
        yield one


@pytest.fixture
async def service(other: Client, database: str, kafka: Kafka) -> AsyncIterator[Running]:
    async with running(toy.TOY, database, kafka.bootstrap) as one:
        yield one


@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_a_header_whose_name_is_not_utf8_stops_nobody(
    kafka: Kafka, service: Running, other: Client, database: str, compression: str | None
) -> None:
    # given records of one batch, one of which has such a header beside its own, and another nothing but it
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type=compression)
    await producer.start()
    try:
        batch = producer.create_batch()
        value = add("a", 1).model_dump_json(exclude_none=True).encode()
        strange = ("strange", b"v")
        batch.append(key=b"a", value=value, timestamp=None, headers=[*CE_HEADERS, strange])
        batch.append(key=b"b", value=b"{}", timestamp=None, headers=[strange])
        build = batch._build
        batch._build = lambda: _renamed(build(), b"strange", b"\xff\xfe\x80\x81\xc3\x28\xe2")
        await (await producer.send_batch(batch, "toy.commands.v1", partition=partition_of(b"a")))
    finally:
        await producer.stop()
    await other.send(add("a", 2))
    # then the first is handled, the other parked, and what comes behind them goes on
    await eventually(lambda: _numbers(database, "a", [1, 2]))
    connection = await asyncpg.connect(database)
    assert [row["record_key"] for row in await connection.fetch("SELECT * FROM dead_letters")] == [b"b"]
    await connection.close()


def _renamed(batch: bytearray, old: bytes, new: bytes) -> bytearray:
    """The record batch, compressed or not, with other bytes in place of these; its length and checksum made right."""
    head, records = bytes(batch[:RECORDS]), bytes(batch[RECORDS:])
    if head[COMPRESSION] & 7 == GZIP:
        records = gzip.compress(gzip.decompress(records).replace(old, new))
    else:
        records = records.replace(old, new)
    changed = head[:LENGTH] + struct.pack(">I", RECORDS - LENGTH - 4 + len(records)) + head[LENGTH + 4 :] + records
    return bytearray(changed[:CRC] + struct.pack(">I", calc_crc32c(changed[ATTRIBUTES:])) + changed[ATTRIBUTES:])


async def _numbers(database: str, tally: str, expected: list[int]) -> bool:
    found = await numbers(database, tally)
    assert found == expected, found
    return True
