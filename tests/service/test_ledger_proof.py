"""The proof of money (X1): sound books pass while traffic runs, and whatever was tampered with is found by name."""

import asyncio
import json

import asyncpg
import pytest

from ledger.findings import Finding
from ledger.naming import shard_of
from ledger.places import place
from ledger.postings import Account, Kind, Post, Posting, Transfer
from ledger.proof import Proof, prove
from tests.service.test_ledger_store import connection, write
from tests.unit.ledger.given import (
    clearing,
    fees,
    fund,
    hold_of,
    payable,
    payout,
    refund,
    refund_transit,
    release,
    reserve_payout,
    whole_life,
)

__all__ = ["connection"]

HOT = shard_of("order-1")


async def tamper(connection: asyncpg.Connection, sql: str) -> None:
    """Edits the tables with their guards switched off, as only who owns the database could."""
    await connection.execute(f"SET session_replication_role = replica; {sql}; RESET session_replication_role")


def found_in(proof: Proof) -> set[tuple[str, str, int, int]]:
    return {(one.code, one.subject, one.expected, one.found) for one in proof.findings}


async def test_an_empty_book_is_sound(connection: asyncpg.Connection) -> None:
    proof = await prove(connection)
    assert (proof.ok, proof.currencies, proof.transfers) == (True, (), 0)


async def test_x1_every_unit_is_accounted_for_by_where_it_lies(connection: asyncpg.Connection) -> None:
    position = Account(Kind.FX, "platform", "EUR"), Account(Kind.FX, "platform", "JPY")
    taken = Transfer("order-5/taken", Account(Kind.CHARGEBACK, "order-5", "EUR"), clearing(), 1000, "x", "order-5")
    for batch in whole_life("order-1"):
        await write(connection, *batch)
    await write(
        connection,
        fund("order-2"),
        fund("order-3"),
        refund("order-3", 300),
        fund("order-4"),
        Transfer("order-4/convert", hold_of("order-4/1"), position[0], 1000, "convert", "order-4"),
        Transfer("order-4/release", position[1], payable(currency="JPY"), 160_000, "release", "order-4"),
        fund("order-5"),
        taken,
    )
    proof = await prove(connection)

    assert proof.ok
    euro, yen = proof.currencies
    assert (euro.currency, euro.sum) == ("EUR", 0)
    assert euro.places == {
        "charged_back": 1000,
        "chargeback": -1000,
        "fees": 100,
        "funded": 5000,
        "fx": 1000,
        "held": 2700,
        "paid_out": 900,
        "refund_in_transit": 300,
    }
    assert sum(amount for place, amount in euro.places.items() if place != "funded") == euro.places["funded"]
    assert euro.balances["clearing"] == -5000 + 900 + 1000
    assert yen.places == {"fx": -160_000, "payable": 160_000}
    assert (proof.orders, proof.holds, proof.pending_holds) == (5, 1, 0)

    told = json.loads(json.dumps(proof.to_dict()))
    assert told["ok"] is True
    assert told["findings"] == []
    assert told["currencies"][0]["places"]["held"] == 2700


async def test_the_proof_holds_while_another_connection_writes(connection: asyncpg.Connection, database: str) -> None:
    writer = await asyncpg.connect(database)
    written = 0

    async def trade() -> None:
        nonlocal written
        while True:
            order = f"order-{written}"
            for batch in whole_life(order):
                await write(writer, *batch)
            written += 1

    trading = asyncio.create_task(trade())
    seen = []
    try:
        while len(seen) < 12 or seen[-1] < 20:
            proof = await prove(connection)
            assert proof.ok, proof.findings
            assert not trading.done(), trading.result()
            seen.append(proof.transfers)
    finally:
        trading.cancel()
        await asyncio.gather(trading, return_exceptions=True)
        await writer.close()
    assert len(set(seen)) > 3


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        pytest.param(
            "UPDATE ledger_accounts SET credits_posted = credits_posted + 7 WHERE id = 'payable:s-1:EUR'",
            {
                ("account_differs", "payable:s-1:EUR", 900, 907),
                ("currency_not_zero", "EUR", 0, 7),
                ("places_differ", "payable", 907, 900),
            },
            id="a balance was raised",
        ),
        pytest.param(
            """UPDATE ledger_accounts SET credits_posted = credits_posted + 7, debits_posted = debits_posted + 7
               WHERE id = 'payable:s-1:EUR'""",
            {("account_differs", "payable:s-1:EUR", 900, 900)},
            id="counters were raised on both sides",
        ),
        pytest.param(
            "DELETE FROM ledger_transfers WHERE id = 'order-1/1/fee'",
            {
                ("account_differs", "hold:order-1/1:EUR", 100, 0),
                ("account_differs", f"fees:platform#{HOT}:EUR", 0, 100),
                ("places_differ", "fees", 100, 0),
                ("places_differ", "held", 0, 100),
            },
            id="a transfer was deleted",
        ),
        pytest.param(
            "DELETE FROM ledger_accounts WHERE id = 'payable:s-1:EUR'",
            {
                ("account_differs", "payable:s-1:EUR", 900, 0),
                ("pending_differs", "payable:s-1:EUR", 900, 0),
                ("currency_not_zero", "EUR", 0, -900),
                ("places_differ", "payable", 0, 900),
            },
            id="an account was deleted",
        ),
        pytest.param(
            "DELETE FROM ledger_holds",
            {
                ("pending_differs", "payable:s-1:EUR", 0, 900),
                ("pending_differs", f"payout_transit:cards#{HOT}:EUR", 0, 900),
            },
            id="a pending hold was deleted",
        ),
        pytest.param(
            "UPDATE ledger_accounts SET debits_pending = 950 WHERE id = 'payable:s-1:EUR'",
            {
                ("pending_differs", "payable:s-1:EUR", 900, 950),
                ("account_negative", "payable:s-1:EUR", 0, -50),
            },
            id="more was reserved than is there",
        ),
        pytest.param(
            "INSERT INTO ledger_resolutions VALUES ('order-1/payout', 900, 900, now(), 'x')",
            {
                ("resolution_differs", "order-1/payout", 900, 0),
                ("pending_differs", "payable:s-1:EUR", 0, 900),
                ("pending_differs", f"payout_transit:cards#{HOT}:EUR", 0, 900),
            },
            id="a hold was posted without a transfer",
        ),
        pytest.param(
            """ALTER TABLE ledger_transfers DROP CONSTRAINT transfer_of_one_currency;
               UPDATE ledger_transfers SET credit = 'fees:platform#0:JPY' WHERE id = 'order-1/1/fee'""",
            {
                ("account_differs", f"fees:platform#{HOT}:EUR", 0, 100),
                ("account_differs", "fees:platform#0:JPY", 100, 0),
                ("order_not_balanced", "order-1", 1000, 900),
                ("order_not_balanced", "order-1", 0, 100),
                ("places_differ", "fees", 100, 0),
                ("places_differ", "fees", 0, 100),
            },
            id="one leg went to another currency",
        ),
    ],
)
async def test_tampering_is_found(
    connection: asyncpg.Connection, sql: str, found: set[tuple[str, str, int, int]]
) -> None:
    await write(connection, fund("order-1"), *release("order-1"), reserve_payout("order-1"))
    assert (await prove(connection)).ok
    await tamper(connection, sql)
    proof = await prove(connection)
    assert not proof.ok
    assert found_in(proof) == found


async def test_an_order_that_took_what_was_anothers_is_listed(connection: asyncpg.Connection) -> None:
    # Given transit on one shard, where one order takes out what another put in: only the orders can tell
    first, other = "order-1", next(f"order-{n}" for n in range(2, 99) if shard_of(f"order-{n}") == HOT)
    stray = Transfer("stray", refund_transit(), clearing(), 300, "refund", other)
    await write(connection, fund(first), refund(first), stray)
    proof = await prove(connection)
    assert proof.findings == (Finding("order_place_negative", f"{other}: refund_in_transit", "EUR", 0, -300),)


async def test_an_order_that_spends_anothers_hold_is_listed(connection: asyncpg.Connection) -> None:
    stray = Transfer("stray", hold_of("order-1/1"), fees(), 10, "fee", "order-10")
    await write(connection, fund("order-1"), stray)
    assert found_in(await prove(connection)) == {
        ("hold_of_another_order", "stray", 0, 10),
        ("order_place_negative", "order-10: held", 0, -10),
    }


async def test_a_hold_posted_in_part_is_sound(connection: asyncpg.Connection) -> None:
    await write(connection, fund("order-1"), *release("order-1"), reserve_payout("order-1"))
    await write(connection, Post("order-1/payout", 1))
    assert (await prove(connection)).ok


async def test_a_proof_needs_a_snapshot_of_its_own(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        with pytest.raises(asyncpg.InterfaceError):
            await prove(connection)


async def test_the_database_and_the_book_agree_on_places(connection: asyncpg.Connection) -> None:
    query = "SELECT ledger_place($1, $2, $3)"
    for kind in Kind:
        for other in Kind:
            for credited in (True, False):
                expected = place(kind, other, credited=credited)
                assert await connection.fetchval(query, kind, other, credited) == expected, (kind, other, credited)


async def test_payouts_of_many_orders_add_up(connection: asyncpg.Connection) -> None:
    orders = [f"order-{number}" for number in range(30)]
    steps: list[list[Posting]] = [
        [fund(order) for order in orders],
        [posting for order in orders for posting in (*release(order), reserve_payout(order))],
        [posting for order in orders[:20] for posting in payout(order)],
    ]
    for step in steps:
        await write(connection, *step)
    proof = await prove(connection)
    assert proof.ok
    assert proof.currencies[0].places == {"fees": 3000, "funded": 30_000, "paid_out": 18_000, "payable": 9000}
    assert (proof.holds, proof.pending_holds) == (30, 10)
