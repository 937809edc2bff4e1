"""Another system that adds numbers to tallies, by Kafka and by HTTP, and knows what it was told.

By Kafka it publishes in order, and again until the broker has it; by HTTP it repeats under the same Idempotency-Key
until it has an answer. So everything it wrote down must have had its effect once, in the order it wrote it down.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from contracts.envelope import encode
from contracts.partition import partition_of
from runtime.ids import new_id
from tests.access import as_actor
from tests.toy.parts import add

TICK = 0.05

Batches = dict[int, list[tuple[bytes, bytes, list[tuple[str, bytes]]]]]
"""Key, value and headers of records, by partition."""


@dataclass
class Written:
    """What was asked for: by tally, the numbers of each writer in its order; and the versions that HTTP told."""

    by_writer: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    versions: dict[tuple[str, int], int] = field(default_factory=dict)
    refused: int = 0

    def note(self, writer: str, tally: str, number: int) -> None:
        self.by_writer.setdefault((tally, writer), []).append(number)

    @property
    def tallies(self) -> set[str]:
        return {tally for tally, _ in self.by_writer}

    @property
    def count(self) -> int:
        return sum(map(len, self.by_writer.values()))

    def writers_of(self, tally: str) -> list[list[int]]:
        return [numbers for (one, _), numbers in self.by_writer.items() if one == tally]


class Publisher:
    """Publishes batches of additions, one request a partition, each batch again until the broker has all of it: nothing
    of a batch can overtake anything of the one before."""

    def __init__(self, bootstrap: str, written: Written, tallies: Sequence[str], writer: str = "kafka") -> None:
        self._bootstrap = bootstrap
        self._written = written
        self._tallies = itertools.cycle(tallies)
        self._numbers = itertools.count(1000)  # beyond the numbers that toy has a quarrel with
        self._writer = writer
        self._producer: AIOKafkaProducer | None = None
        self._published: list[Batches] = []

    def begin_at(self, number: int) -> None:
        """The next number to add."""
        self._numbers = itertools.count(number)

    async def publish(self, count: int) -> None:
        """The next `count` additions, round the tallies; returns when the broker has them."""
        batches: Batches = {}
        noted = []
        for _ in range(count):
            tally, number = next(self._tallies), next(self._numbers)
            _, key, headers, value = encode(
                add(tally, number),
                id=new_id(),
                source="tests",
                time=datetime.now(UTC),
                correlation_id=tally,
                causation_id="",
                sequence=0,
            )
            batches.setdefault(partition_of(key), []).append((key, value, headers))
            noted.append((tally, number))
        await self._insist(batches)
        self._published.append(batches)
        for tally, number in noted:
            self._written.note(self._writer, tally, number)

    async def publish_again(self) -> None:
        """All of it once more, under the same ids, the last batch first."""
        for batches in reversed(self._published):
            await self._insist(batches)

    async def _insist(self, batches: Batches) -> None:
        while True:
            try:
                return await self._send(batches)
            except (KafkaError, OSError, TimeoutError):
                await self.close()

    async def _send(self, batches: Batches) -> None:
        if self._producer is None:
            self._producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, acks="all", max_batch_size=900_000, request_timeout_ms=5_000
            )
            await self._producer.start()
        sent = []
        for partition, records in batches.items():
            batch = self._producer.create_batch()
            for key, value, headers in records:
                assert batch.append(key=key, value=value, timestamp=None, headers=headers)
            sent.append(await self._producer.send_batch(batch, "toy.commands.v1", partition=partition))
        for failed in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(failed, BaseException):
                raise failed

    async def close(self) -> None:
        if self._producer:
            producer, self._producer = self._producer, None
            with suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await producer.stop()


@asynccontextmanager
async def publishing(
    bootstrap: str, written: Written, tallies: Sequence[str], *, a_tick: int = 20, writer: str = "kafka"
) -> AsyncIterator[Publisher]:
    """Publishes `a_tick` additions every 50 ms until the block ends, then returns when the broker has them all."""
    publisher = Publisher(bootstrap, written, tallies, writer)
    enough = asyncio.Event()

    async def publish() -> None:
        while not enough.is_set():
            await publisher.publish(a_tick)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await enough.wait()

    working = asyncio.create_task(publish())
    try:
        yield publisher
        enough.set()
        async with asyncio.timeout(60):
            await working
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        await publisher.close()


class Caller:
    """Adds by HTTP, one at a time, at any of several replicas; each number until it is answered."""

    def __init__(self, urls: Sequence[str], written: Written, tallies: Sequence[str], writer: str) -> None:
        self._urls = itertools.cycle(urls)
        self._written = written
        self._tallies = itertools.cycle(tallies)
        self._numbers = itertools.count(1_000_000)
        self._writer = writer
        self.added = 0
        self.unanswered = 0
        """Tries without an answer, or with 503 ("it may still happen"), or while an earlier one was under way."""

    async def add(self, client: httpx.AsyncClient) -> None:
        """One addition."""
        tally, number, key = next(self._tallies), next(self._numbers), new_id()
        while True:
            answer = await self._post(client, tally, number, key)
            if answer is not None:
                break
        assert answer.status_code == 200, answer.text
        body = answer.json()
        self._written.note(self._writer, tally, number)
        self.added += 1
        if body["result"] == "done":
            self._written.versions[tally, number] = body["version"]

    async def be_refused(self, client: httpx.AsyncClient) -> None:
        """One addition of a negative number, which must be refused however often it is tried."""
        tally, key = next(self._tallies), new_id()
        while (answer := await self._post(client, tally, -1, key)) is None:
            pass
        assert (answer.status_code, answer.json()["code"]) == (409, "negative"), answer.text
        self._written.refused += 1

    async def _post(self, client: httpx.AsyncClient, tally: str, number: int, key: str) -> httpx.Response | None:
        try:
            answer = await client.post(
                f"{next(self._urls)}/tallies/{tally}",
                json={"number": number},
                headers=as_actor("service:tests") | {"Idempotency-Key": key},
            )
        except httpx.TransportError:
            self.unanswered += 1
            await asyncio.sleep(TICK)
            return None
        if answer.status_code == 503 or '"request_in_flight"' in answer.text:
            self.unanswered += 1
            await asyncio.sleep(TICK)
            return None
        return answer


@asynccontextmanager
async def calling(
    urls: Sequence[str], written: Written, tallies: Sequence[str], *, writers: int = 2, refusals: bool = False
) -> AsyncIterator[Sequence[Caller]]:
    """`writers` callers, each adding as fast as it is answered, until the block ends and each has its last answer."""
    enough = asyncio.Event()

    async def call(caller: Caller) -> None:
        async with httpx.AsyncClient(timeout=20, verify=False) as client:
            while not enough.is_set():
                await caller.add(client)
                if refusals:
                    await caller.be_refused(client)

    callers = [Caller(urls, written, tallies, f"http-{number}") for number in range(writers)]
    for number, caller in enumerate(callers):
        caller._numbers = itertools.count((number + 1) * 1_000_000)
    working = [asyncio.create_task(call(caller)) for caller in callers]
    try:
        yield callers
        enough.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*working)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
