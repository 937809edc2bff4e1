"""What the database refuses by itself, whoever asks: each constraint is broken here by plain SQL."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

import ledger
from ledger.errors import CODE_OF_CONSTRAINT, WHAT_TO_DO
from ledger.naming import row_id
from ledger.postings import NEVER_NEGATIVE, Account, Kind
from tests.databases import fresh_database
from tests.servers import Postgres
from tests.service.test_ledger_store import write
from tests.unit.ledger.given import fund, release, reserve_payout

ACCOUNT = "INSERT INTO ledger_accounts (id, debits_posted, credits_posted, debits_pending, credits_pending) VALUES "
TRANSFER = """
INSERT INTO ledger_transfers (batch, position, at, id, debit, credit, amount, order_id, purpose, cause, corrects)
VALUES (1, 1, now(), {id}, {debit}, {credit}, {amount}, 'order-1', 'test', 'test', {corrects})
"""
HOLD = """
INSERT INTO ledger_holds (at, id, debit, credit, amount, order_id, purpose, cause)
VALUES (now(), {id}, {debit}, {credit}, {amount}, 'order-1', 'test', 'test')
"""
RESOLUTION = "INSERT INTO ledger_resolutions (hold_id, held, moved, at, cause) VALUES ({}, now(), 'test')"


def transfer(
    id: str = "'new'",
    debit: str = "'fx:platform#0:EUR'",
    credit: str = "'fees:platform#0:EUR'",
    amount: int = 1,
    corrects: str = "NULL",
    into: str = TRANSFER,
) -> str:
    return into.format(id=id, debit=debit, credit=credit, amount=amount, corrects=corrects)


BROKEN_BY = [
    ("account_opened_once", f"{ACCOUNT} ('hold:order-1/1:EUR', 0, 0, 0, 0)"),
    ("hold_pays_at_most_what_was_funded", f"{ACCOUNT} ('hold:order-9/1:EUR', 1, 0, 0, 0)"),
    ("hold_pays_at_most_what_was_funded", f"{ACCOUNT} ('hold:order-9/1:EUR', 0, 5, 6, 0)"),
    (
        "hold_pays_at_most_what_was_funded",
        "UPDATE ledger_accounts SET debits_posted = debits_posted + 1 WHERE id = 'hold:order-1/1:EUR'",
    ),
    ("account_never_negative", "UPDATE ledger_accounts SET debits_pending = 901 WHERE id = 'payable:s-1:EUR'"),
    ("account_counters_never_negative", "UPDATE ledger_accounts SET credits_pending = -1 WHERE kind = 'clearing'"),
    ("account_named_by_form", f"{ACCOUNT} ('purse:x:EUR', 0, 0, 0, 0)"),
    ("account_named_by_form", f"{ACCOUNT} ('hold:x:eur', 0, 0, 0, 0)"),
    ("account_named_by_form", f"{ACCOUNT} ('hold:x#1:EUR', 0, 0, 0, 0)"),
    ("account_named_by_form", f"{ACCOUNT} ('fees:x:EUR', 0, 0, 0, 0)"),
    ("transfer_written_once", transfer(id="'order-1/1/fund'")),
    ("transfer_amount_positive", transfer(amount=0)),
    ("transfer_amount_positive", transfer(amount=-1)),
    ("transfer_between_two_accounts", transfer(debit="'fees:platform#0:EUR'")),
    ("transfer_of_one_currency", transfer(debit="'fx:platform#0:JPY'")),
    ("transfer_corrects_a_known_one", transfer(corrects="'nobody'")),
    ("transfer_corrects_a_known_one", transfer(corrects="'new'")),
    ("hold_written_once", transfer(id="'order-1/payout'", into=HOLD)),
    ("hold_amount_positive", transfer(amount=0, into=HOLD)),
    ("hold_between_two_accounts", transfer(debit="'fees:platform#0:EUR'", into=HOLD)),
    ("hold_of_one_currency", transfer(debit="'fx:platform#0:JPY'", into=HOLD)),
    ("hold_resolved_once", "; ".join(2 * [RESOLUTION.format("'order-1/payout', 900, 900")])),
    ("resolution_of_a_known_hold", RESOLUTION.format("'nobody', NULL, NULL")),
    ("resolution_amount_positive", RESOLUTION.format("'order-1/payout', 900, 0")),
    ("resolution_within_the_hold", RESOLUTION.format("'order-1/payout', 900, 901")),
    ("transfers_are_immutable", "UPDATE ledger_transfers SET amount = 1"),
    ("transfers_are_immutable", "DELETE FROM ledger_transfers"),
    ("transfers_are_immutable", "TRUNCATE ledger_transfers"),
    ("holds_are_immutable", "UPDATE ledger_holds SET amount = 1"),
    ("holds_are_immutable", "DELETE FROM ledger_holds"),
    ("holds_are_immutable", "TRUNCATE ledger_holds"),
    ("resolutions_are_immutable", "UPDATE ledger_resolutions SET moved = 1"),
    ("resolutions_are_immutable", "DELETE FROM ledger_resolutions"),
    ("resolutions_are_immutable", "TRUNCATE ledger_resolutions"),
    ("accounts_stay", "DELETE FROM ledger_accounts"),
    ("accounts_stay", "TRUNCATE ledger_accounts"),
]


@pytest.fixture(scope="module")
async def book(postgres: Postgres) -> AsyncIterator[asyncpg.Connection]:
    """A book with a released order whose payout is reserved, for all tests here."""
    async with fresh_database(postgres) as url:
        connection = await asyncpg.connect(url)
        for path in sorted(ledger.MIGRATIONS.glob("*.sql")):
            await connection.execute(path.read_text())
        await write(connection, fund("order-1"), *release("order-1"), reserve_payout("order-1"))
        yield connection
        await connection.close()


@pytest.fixture
async def written(book: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """What a test does to the book is rolled back."""
    transaction = book.transaction()
    await transaction.start()
    yield book
    await transaction.rollback()


@pytest.mark.parametrize(("constraint", "sql"), BROKEN_BY)
async def test_the_database_refuses_by_the_constraints_name(
    written: asyncpg.Connection, constraint: str, sql: str
) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as error:
        await written.execute(sql)
    assert error.value.constraint_name == constraint


def test_every_constraint_has_a_code_and_is_broken_here() -> None:
    assert {constraint for constraint, _ in BROKEN_BY} == CODE_OF_CONSTRAINT.keys() | {"account_opened_once"}
    assert set(CODE_OF_CONSTRAINT.values()) <= WHAT_TO_DO.keys()


async def test_a_refused_edit_says_what_to_do_instead(written: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.RestrictViolationError) as error:
        await written.execute("UPDATE ledger_transfers SET amount = 1")
    assert error.value.hint == 'Write a new transfer that names the wrong one in "corrects".'


@pytest.mark.parametrize("kind", Kind)
async def test_the_database_and_the_book_agree_on_who_may_run_negative(written: asyncpg.Connection, kind: Kind) -> None:
    row = row_id(Account(kind, "x", "EUR"), "order-1")
    attempt = written.execute(f"{ACCOUNT} ($1, 1, 0, 0, 0)", row)
    if kind not in NEVER_NEGATIVE:
        await attempt
        return
    with pytest.raises(asyncpg.CheckViolationError) as error:
        await attempt
    assert error.value.constraint_name in {"account_never_negative", "hold_pays_at_most_what_was_funded"}


def test_the_migration_is_where_the_runner_looks() -> None:
    assert [path.name for path in sorted(ledger.MIGRATIONS.glob("*.sql"))][:1] == ["0001_ledger.sql"]
