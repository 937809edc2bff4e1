"""How many lines stand in each state: what batches wrote down is what counting all rows again comes to."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import escrow
import ledger
import runtime
from contracts.envelope import encode
from contracts.examples import EXAMPLES
from contracts.message import Message
from contracts.orders import OrderPaid
from escrow.service import SERVICE
from escrow.watches import WATCHES
from runtime import census, watches
from runtime.clock import RealClock
from runtime.db import as_it_is
from runtime.delivery import RawRecord, Reader
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.migrate import migrate, read
from runtime.pump import Pump

MIGRATIONS = Path(escrow.__file__).parent / "migrations"
RECOUNT = """
SELECT coalesce(tranche ->> 'state', 'start') AS state, count(*) AS lines
FROM escrow, json_array_elements(state -> 'tranches') AS tranche
GROUP BY 1
"""


class Book:
    """Escrow's path on a database of its own."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self._pump = Pump(SERVICE, pool, RealClock(), Metrics("escrow"))
        self._reader = Reader(SERVICE)
        self._handled = 0

    async def handle(self, *messages: Message) -> None:
        """One transaction with these messages."""
        await self._pump._transact([self._reader.record(self._record(message)) for message in messages])

    def _record(self, message: Message) -> RawRecord:
        self._handled += 1
        given = {"source": "tests", "time": datetime.now(UTC), "causation_id": "", "sequence": 0}
        topic, key, headers, value = encode(message, id=new_id(), correlation_id=message.key, **given)  # type: ignore[arg-type]
        return RawRecord(topic, 0, self._handled, key, headers, value)

    async def told(self) -> Mapping[str, int]:
        """By the census."""
        return {state: count for (_, state), count in (await census.read(self.pool)).items() if count}

    async def counted(self) -> Mapping[str, int]:
        """By counting everything again."""
        return {row["state"]: row["lines"] for row in await self.pool.fetch(RECOUNT)}


@pytest.fixture
async def book(database: str) -> AsyncIterator[Book]:
    async with asyncpg.create_pool(database, min_size=1, max_size=2, reset=as_it_is) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, (runtime.MIGRATIONS, ledger.MIGRATIONS, MIGRATIONS))
        yield Book(pool)


def paid(order_id: str) -> OrderPaid:
    example = EXAMPLES[OrderPaid.CE_TYPE]
    return example.model_copy(update={"order_id": order_id})  # type: ignore[return-value]


async def test_batches_keep_count_of_the_lines_in_each_state(book: Book) -> None:
    assert await book.told() == {}
    await book.handle(*(paid(f"o-{number}") for number in range(20)))
    after_payment = await book.counted()
    assert sum(after_payment.values()) >= 20
    assert await book.told() == after_payment
    # when some go on, one of them within the batch that began it
    cleared = EXAMPLES["identity.order_cleared.v1"]
    await book.handle(*(cleared.model_copy(update={"order_id": f"o-{number}"}) for number in range(7)))
    await book.handle(paid("o-new"), cleared.model_copy(update={"order_id": "o-new"}))
    assert await book.counted() != after_payment
    assert await book.told() == await book.counted()


async def test_adding_up_changes_nothing_but_the_number_of_rows(book: Book) -> None:
    for number in range(5):
        await book.handle(paid(f"o-{number}"))
    before = await book.told()
    rows = await book.pool.fetchval("SELECT count(*) FROM census")
    async with book.pool.acquire() as connection:
        await watches.TIDY_CENSUS.take(connection)
    assert await book.told() == before
    assert await book.pool.fetchval("SELECT count(*) FROM census") == len(before) < rows


async def test_orders_from_before_the_census_are_counted_by_its_migration(book: Book) -> None:
    await book.handle(*(paid(f"o-{number}") for number in range(3)))
    await book.pool.execute("DELETE FROM census")
    (migration,) = [each for each in read(MIGRATIONS) if "census" in each.name]
    await book.pool.execute(migration.sql)
    assert await book.told() == await book.counted()


async def test_the_watches_of_escrow_tell_what_they_declare(book: Book) -> None:
    await book.handle(paid("o-1"))
    async with book.pool.acquire() as connection:
        for watch in WATCHES:
            readings = await watch.take(connection)
            declared = {gauge.name: len(gauge.labels) for gauge in watch.gauges}
            assert {reading.name for reading in readings} == declared.keys()
            assert all(len(reading.labels) == declared[reading.name] for reading in readings)
            await watches.save(connection, watch, readings, 0.1)
        kept = await watches.kept(connection)
    assert kept.keys() == {watch.name for watch in WATCHES}
    found = {reading.labels: reading.value for reading in kept["ledger"].readings if reading.name == "ledger_findings"}
    assert found and not any(found.values())
