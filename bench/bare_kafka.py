"""The floor of a message: aiokafka alone, producing batches by partition and consuming them, with nothing in between.

`python -m bench.bare_kafka produce|consume HOST:PORT TOPIC MESSAGES BATCH` prints one JSON object: messages, seconds,
CPU seconds of this process.
"""

import asyncio
import json
import sys
import time

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.message import PARTITIONS

VALUE = b'{"order_id":"' + b"x" * 374 + b'"}'
HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"0198c8f1-2a3b-7c4d-9e5f-60718293a4b5"),
    ("ce_type", b"escrow.funds_secured.v1"),
    ("ce_source", b"escrow"),
    ("ce_time", b"2026-01-01T00:00:00Z"),
    ("ce_subject", b"ord-1-00000001"),
    ("content-type", b"application/json"),
]


async def produce(bootstrap: str, topic: str, messages: int, batch: int) -> int:
    """`batch` messages over all partitions, acknowledged, before the next."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=900_000)
    await producer.start()
    try:
        for start in range(0, messages, batch):
            sent = []
            for partition in range(PARTITIONS):
                one = producer.create_batch()
                for number in range(start + partition, start + batch, PARTITIONS):
                    one.append(key=b"ord-1-%08d" % number, value=VALUE, timestamp=None, headers=HEADERS)
                sent.append(await producer.send_batch(one, topic, partition=partition))
            await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return messages


async def consume(bootstrap: str, topic: str, messages: int, batch: int) -> int:
    """All that is in the topic, `batch` at a time, in a group that commits each."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="bare", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
        consumer.unsubscribe()
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        read = 0
        while read < messages:
            found = await consumer.getmany(timeout_ms=1000, max_records=batch)
            for records in found.values():
                for record in records:
                    dict(record.headers)
                read += len(records)
            await consumer.commit()
        return read
    finally:
        await consumer.stop()


async def main(what: str, bootstrap: str, topic: str, messages: int, batch: int) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    done = await (produce if what == "produce" else consume)(bootstrap, topic, messages, batch)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"messages": done, "seconds": seconds, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
