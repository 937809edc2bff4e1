"""The book in PostgreSQL says what the book in memory says, refuses what it refuses, and takes several writers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import combinations

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

import ledger
from ledger.book import Book, Counters
from ledger.errors import LedgerError
from ledger.naming import SHARDS, shard_of
from ledger.order_money import order_money
from ledger.postings import Account, Kind, Post, Posting, Transfer, Void
from ledger.proof import prove
from ledger.store import LedgerStore
from tests.unit.ledger.given import (
    BATCHES,
    caused,
    clearing,
    fees,
    fund,
    hold_of,
    payable,
    refund,
    release,
    reserve_payout,
    whole_life,
)
from tests.waiting import eventually

NOON = datetime(2025, 5, 17, 12, tzinfo=UTC)
STORE = LedgerStore()


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    for path in sorted(ledger.MIGRATIONS.glob("*.sql")):
        await connection.execute(path.read_text())
    yield connection
    await connection.close()


async def write(connection: asyncpg.Connection, *postings: Posting) -> None:
    async with connection.transaction():
        await STORE.write(connection, caused(*postings), NOON)


async def rows(connection: asyncpg.Connection) -> dict[str, Counters]:
    columns = "debits_posted, credits_posted, debits_pending, credits_pending"
    found = await connection.fetch(f"SELECT id, {columns} FROM ledger_accounts")
    return {row["id"]: Counters(*list(row)[1:]) for row in found}


async def transfers(connection: asyncpg.Connection) -> list[tuple[str, str, int]]:
    query = "SELECT cause, id, amount FROM ledger_transfers ORDER BY batch, position"
    return [tuple(row) for row in await connection.fetch(query)]


async def pending(connection: asyncpg.Connection) -> set[str]:
    query = "SELECT id FROM ledger_holds WHERE id NOT IN (SELECT hold_id FROM ledger_resolutions)"
    return {row["id"] for row in await connection.fetch(query)}


async def says_what(book: Book, connection: asyncpg.Connection) -> None:
    assert await rows(connection) == book.rows()
    listed = [(written.cause, written.transfer.id, written.transfer.amount) for written in book.transfers()]
    assert await transfers(connection) == listed
    assert await pending(connection) == book.pending().keys()


async def refusal(connection: asyncpg.Connection, batch: list[Posting]) -> str:
    try:
        await write(connection, *batch)
    except LedgerError as error:
        return error.code
    return ""


def model_refusal(book: Book, batch: list[Posting]) -> str:
    try:
        book.apply_all(caused(*batch))
    except LedgerError as error:
        return error.code
    return ""


def offences(book: Book, batch: list[Posting]) -> set[str]:
    """Every code that fits a part of a batch with several faults; which the database meets first is its own affair."""
    parts = (list(part) for size in range(1, len(batch) + 1) for part in combinations(batch, size))
    return {model_refusal(book.copy(), part) for part in parts} - {""}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
async def test_any_batches_come_to_the_same_as_in_memory(
    connection: asyncpg.Connection, batches: list[list[Posting]]
) -> None:
    # Given a book that nobody has written in, and the whole example undone at the end
    book = Book()
    example = connection.transaction()
    await example.start()
    try:
        for batch in batches:
            expected = model_refusal(book, batch)
            found = await refusal(connection, batch)
            assert bool(found) == bool(expected)
            assert found == expected or found in offences(book, batch)
        await says_what(book, connection)
    finally:
        await example.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
async def test_a_single_posting_is_refused_with_the_same_code(
    connection: asyncpg.Connection, batches: list[list[Posting]]
) -> None:
    book = Book()
    example = connection.transaction()
    await example.start()
    try:
        for posting in (posting for batch in batches for posting in batch):
            assert await refusal(connection, [posting]) == model_refusal(book, [posting])
        await says_what(book, connection)
    finally:
        await example.rollback()


async def test_a_row_is_written_once_a_batch_however_many_transfers_it_nets(connection: asyncpg.Connection) -> None:
    changes = "SELECT n_tup_ins, n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'ledger_accounts'"
    async with connection.transaction():
        await STORE.write(connection, caused(*(fund(f"order-{number}") for number in range(200))), NOON)
        inserted, updated = await connection.fetchrow(changes) or ()
        await STORE.write(connection, caused(*(fund(f"order-{number}", line=2) for number in range(200))), NOON)
        assert await connection.fetchrow(changes) == (inserted + 200, updated + SHARDS)
    clearing_rows = [counters for row, counters in (await rows(connection)).items() if row.startswith("clearing:")]
    assert sum(counters.debits_posted for counters in clearing_rows) == 400_000


async def test_a_hold_made_and_posted_in_one_batch(connection: asyncpg.Connection) -> None:
    book = Book()
    batch = [posting for step in whole_life("order-1") for posting in step]
    book.apply_all(caused(*batch))
    await write(connection, *batch)
    await says_what(book, connection)
    assert (await prove(connection)).ok


async def test_a_refused_batch_leaves_nothing(connection: asyncpg.Connection) -> None:
    await write(connection, fund("order-1"))
    with pytest.raises(LedgerError, match="insufficient_funds") as error:
        await write(connection, fund("order-2"), refund("order-1", 1001))
    assert isinstance(error.value.__cause__, asyncpg.CheckViolationError)
    assert error.value.__cause__.constraint_name == "hold_pays_at_most_what_was_funded"
    assert [id for _, id, _ in await transfers(connection)] == ["order-1/1/fund"]


async def test_nothing_to_write_is_nothing_asked(connection: asyncpg.Connection) -> None:
    await STORE.write(connection, [], NOON)
    assert await rows(connection) == {}


async def test_batches_of_two_writers_on_the_same_accounts_neither_deadlock_nor_lose(
    connection: asyncpg.Connection, database: str
) -> None:
    # Given two writers on the same hot accounts and the same sellers, in batches as unlike as can be
    sellers = [f"s-{number}" for number in range(40)]

    def batch(writer: int, number: int) -> list[Posting]:
        orders = [f"order-{writer}-{number}-{each}" for each in range(160 if writer else 40)]
        postings = [
            posting
            for each, order in enumerate(orders)
            for posting in (fund(order), *release(order, seller=sellers[each % 40]))
        ]
        postings.append(reserve_payout(orders[0], 100, sellers[0]))
        return postings if writer else postings[::-1]

    async def writer(number: int) -> None:
        mine = await asyncpg.connect(database)
        try:
            for each in range(30):
                await write(mine, *batch(number, each))
        finally:
            await mine.close()

    await asyncio.gather(writer(0), writer(1))
    proof = await prove(connection)
    assert proof.ok
    assert (proof.orders, proof.pending_holds) == (30 * 200, 2 * 30)
    balances = proof.currencies[0].balances
    assert balances == {
        "clearing": -6_000_000,
        "fees": 600_000,
        "hold": 0,
        "payable": 5_400_000,
        "payout_transit": 0,
    }


async def test_the_second_of_two_writers_of_one_movement_is_refused(
    connection: asyncpg.Connection, database: str
) -> None:
    # Given one writer that has not committed yet, and a second that writes the same movement
    first = connection.transaction()
    await first.start()
    await STORE.write(connection, caused(fund("order-1")), NOON)
    other = await asyncpg.connect(database)
    second = asyncio.create_task(write(other, fund("order-1")))
    await eventually(lambda: waits_for_a_lock(connection))
    await first.commit()
    with pytest.raises(LedgerError, match="duplicate_transfer"):
        await second
    await other.close()
    assert (await rows(connection))["hold:order-1/1:EUR"].balance == 1000


async def test_the_second_of_two_debits_of_one_hold_is_refused(connection: asyncpg.Connection, database: str) -> None:
    # Given a release under way, what it takes is gone for a refund that comes meanwhile
    await write(connection, fund("order-1"))
    first = connection.transaction()
    await first.start()
    await STORE.write(connection, caused(*release("order-1")), NOON)
    other = await asyncpg.connect(database)
    second = asyncio.create_task(write(other, refund("order-1")))
    await eventually(lambda: waits_for_a_lock(connection))
    await first.commit()
    with pytest.raises(LedgerError, match="insufficient_funds"):
        await second
    await other.close()
    assert (await prove(connection)).ok


async def waits_for_a_lock(connection: asyncpg.Connection) -> bool:
    query = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
    return bool(await connection.fetchval(query))


async def test_e11_where_the_money_of_an_order_is(connection: asyncpg.Connection) -> None:
    await write(connection, fund("order-1"), fund("order-2"))
    await write(connection, *release("order-1"), reserve_payout("order-1"))
    money = await order_money(connection, "order-1")
    assert money.lies == {"EUR": {"fees": 100, "funded": 1000, "payable": 900}}
    assert [leg.id for leg in money.legs] == ["order-1/1/fund", "order-1/1/release", "order-1/1/fee"]
    assert (money.legs[0].debit, money.legs[0].credit) == (clearing(), hold_of("order-1/1"))
    assert (money.legs[0].cause, money.legs[0].at) == ("message-1", NOON)
    assert [(leg.id, leg.debit, leg.amount) for leg in money.pending] == [("order-1/payout", payable(), 900)]

    await write(connection, Void("order-1/payout"))
    told = (await order_money(connection, "order-1")).to_dict()
    assert told["pending"] == []
    assert told["legs"][0]["at"] == "2025-05-17T12:00:00+00:00"
    assert (await order_money(connection, "unknown")).legs == ()


async def test_a_correction_names_what_it_corrects(connection: asyncpg.Connection) -> None:
    wrong = fund("order-1", 1000)
    reverse = Transfer("order-1/1/fund-undone", wrong.credit, wrong.debit, 1000, "correction", "order-1", wrong.id)
    await write(connection, wrong)
    await write(connection, reverse, fund("order-1", 100, line=2))
    legs = (await order_money(connection, "order-1")).legs
    assert [leg.corrects for leg in legs] == [None, wrong.id, None]


async def test_amounts_to_the_end_of_the_range(connection: asyncpg.Connection) -> None:
    most = 2**63 - 1
    large = Account(Kind.DEPOSIT, "s-1", "EUR")
    await write(connection, Transfer("t-1", clearing(), large, most, "x", "order-1"))
    assert await refusal(connection, [Transfer("t-2", clearing(), large, 1, "x", "order-1")]) == "amount_too_large"
    assert await refusal(connection, [Transfer("t-3", fees(), large, most + 1, "x", "order-1")]) == "amount_too_large"
    proof = await prove(connection)
    assert proof.ok
    assert proof.currencies[0].balances == {"clearing": -most, "deposit": most}


async def test_posting_part_of_a_hold_that_another_batch_made(connection: asyncpg.Connection) -> None:
    await write(connection, fund("order-1"), *release("order-1"))
    await write(connection, reserve_payout("order-1"))
    await write(connection, Post("order-1/payout", 300))
    found = await rows(connection)
    assert found["payable:s-1:EUR"] == Counters(300, 900, 0, 0)
    assert found[f"payout_transit:cards#{shard_of('order-1')}:EUR"] == Counters(0, 300, 0, 0)
    assert (await prove(connection)).ok
