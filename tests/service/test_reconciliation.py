"""The provider's statement against the books of escrow and deposits, over HTTP on a real PostgreSQL."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from msgspec.structs import replace

import deposits
import escrow
import ledger
import runtime
from contracts.money import Money
from contracts.statement import EntryKind, Statement, StatementEntry
from deposits.api import API as DEPOSITS_API
from deposits.service import SERVICE as DEPOSITS
from escrow.api import API as ESCROW_API
from escrow.service import SERVICE as ESCROW
from escrow.state import State
from ledger.postings import Account, Hold, Kind, Posting, Transfer
from ledger.store import LedgerStore
from runtime.decision import Ref, Refused, Service
from runtime.fold import Versioned
from runtime.http import Api, add_routes
from runtime.migrate import migrate
from runtime.problems import on_invalid_parameters, on_refused
from runtime.repository import Repository
from runtime.writes import write
from tests.access import access, as_actor
from tests.unit.deposits.given import SELLER
from tests.unit.escrow.language import PAST, given

DAY = date(2026, 3, 14)
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
OPERATOR = as_actor("operator:op-1")


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return NOON + ONE_DAY


@asynccontextmanager
async def served(database: str, service: Service, api: Api, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service's HTTP side on a fresh database, called as an operator."""
    pool = await asyncpg.create_pool(database, min_size=1, max_size=3)
    try:
        async with pool.acquire() as connection:
            await migrate(connection, [runtime.MIGRATIONS, ledger.MIGRATIONS, folder / "migrations"])
        app = FastAPI()
        app.state.pool, app.state.repository, app.state.clock = pool, Repository(service), Clock()
        app.state.access = access()
        app.add_exception_handler(Refused, on_refused)
        app.add_exception_handler(RequestValidationError, on_invalid_parameters)
        add_routes(app, api)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://books", headers=OPERATOR) as http:
            http.pool = pool  # type: ignore[attr-defined]
            yield http
    finally:
        await pool.close()


@pytest.fixture
async def http(database: str) -> AsyncIterator[httpx.AsyncClient]:
    """Escrow."""
    async with served(database, ESCROW, ESCROW_API, Path(escrow.__file__).parent) as one:
        yield one


async def life(http: httpx.AsyncClient, order_id: str, state: State, at: datetime = NOON) -> None:
    """An order that has come to this state, all of it booked at one time."""
    story = given(*PAST[state])
    order = replace(
        story.state,
        order_id=order_id,
        operations=tuple(replace(each, id=each.id.replace("o-1", order_id)) for each in story.state.operations),
    )
    postings = [_renamed(posting, order_id) for posting in story.folding.postings]
    async with http.pool.acquire() as connection, connection.transaction():  # type: ignore[attr-defined]
        await write(connection, Repository(ESCROW).writes({}, {Ref("escrow", order_id): Versioned(order, 1)}))
        await LedgerStore().write(connection, [(f"cause-{order_id}", each) for each in postings], at)


def _renamed(posting: Posting, order_id: str) -> Posting:
    def new(text: str | None) -> Any:
        return text and text.replace("o-1", order_id)

    def account(old: Account) -> Account:
        return Account(old.kind, new(old.owner), old.currency)

    if isinstance(posting, Transfer | Hold):
        corrects = {"corrects": new(posting.corrects)} if isinstance(posting, Transfer) else {}
        return type(posting)(
            new(posting.id), account(posting.debit), account(posting.credit), posting.amount, posting.purpose, order_id,
            **corrects,
        )  # fmt: skip
    return type(posting)(new(posting.hold_id))


def entry(
    kind: EntryKind, id: str, reference: str, amount: int, at: datetime = NOON, of: str = "EUR"
) -> StatementEntry:
    return StatementEntry(
        operation_id=id, reference=reference, kind=kind, amount=Money(amount=amount, currency=of), at=at
    )


def paid(order_id: str, amount: int = 10_000) -> StatementEntry:
    return entry(EntryKind.PAYMENT, f"pay-{order_id}-1", order_id, amount)


def paid_out(order_id: str, amount: int = 9_500) -> StatementEntry:
    return entry(EntryKind.PAYOUT, f"payout-{order_id}-1", order_id, amount)


def refunded(order_id: str, amount: int = 10_000) -> StatementEntry:
    return entry(EntryKind.REFUND, f"refund-{order_id}-1", order_id, amount)


async def post(http: httpx.AsyncClient, entries: Iterable[StatementEntry], day: date = DAY) -> dict[str, Any]:
    closed = datetime(day.year, day.month, day.day, tzinfo=UTC) + ONE_DAY
    statement = Statement(provider="payments", day=day, closed_at=closed, entries=tuple(entries))
    answer = await http.post(
        "/reconciliations", content=statement.model_dump_json(), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def causes(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["cause"], each["reference"]) for each in told["differences"]]


async def test_a_day_on_which_all_agree_is_clean(http: httpx.AsyncClient) -> None:
    await life(http, "ord-1", State.RELEASED)
    await life(http, "ord-2", State.REFUNDED)
    await life(http, "ord-3", State.CHARGED_BACK)
    taken = entry(EntryKind.CHARGEBACK, "pay-ord-3-1", "ord-3", 10_000)
    told = await post(http, [paid("ord-1"), paid_out("ord-1"), paid("ord-2"), refunded("ord-2"), paid("ord-3"), taken])
    assert (told["clean"], told["causes"], told["differences"], told["entries"]) == (True, {}, [], 6)
    assert told["totals"] == [
        {"currency": "EUR", "stated": 500, "booked": 500, "difference": 0, "entries": 6, "movements": 6}
    ]
    read = await http.get(f"/reconciliations/{DAY}", params={"provider": "payments"})
    assert read.json() == told


async def test_every_difference_has_its_cause_amounts_and_what_to_do(http: httpx.AsyncClient) -> None:
    await life(http, "ord-1", State.RELEASED)
    await life(http, "ord-2", State.REFUNDED)
    await life(http, "ord-3", State.RELEASING)
    await life(http, "ord-4", State.REFUNDING)
    await life(http, "ord-5", State.FUNDED, NOON + ONE_DAY)
    told = await post(
        http,
        [
            paid("ord-1", 10_001), paid_out("ord-1"), paid_out("ord-1"),
            paid("ord-2"), entry(EntryKind.REFUND, "refund-ord-2-1", "ord-2", 10_000, of="USD"),
            paid("ord-3"), paid_out("ord-3"), refunded("ord-4"), paid("ord-5"), paid("ord-9"),
            entry(EntryKind.REFUND, "refund-nobody-1", "ord-1", 5),
        ],
    )  # fmt: skip
    assert causes(told) == [
        ("amount_differs", "ord-1"),
        ("duplicated_in_statement", "ord-1"),
        ("currency_differs", "ord-2"),
        ("in_transit", "ord-3"),
        ("in_transit", "ord-4"),
        ("booked_on_another_day", "ord-5"),
        ("unknown_reference", "ord-9"),
        ("missing_in_book", "ord-1"),
        ("missing_in_statement", "ord-4"),
    ]
    assert told["causes"]["in_transit"] == 2
    amount = told["differences"][0]
    assert (amount["stated"]["text"], amount["booked"]["text"]) == ("100.01 EUR", "100.00 EUR")
    assert told["differences"][3]["since"] == told["differences"][4]["since"] == NOON.isoformat()
    assert told["differences"][5]["booked_at"] == (NOON + ONE_DAY).isoformat()
    assert all(each["what_to_do"] for each in told["differences"])


async def test_the_same_statement_is_the_same_result_and_a_corrected_one_supersedes_it(http: httpx.AsyncClient) -> None:
    await life(http, "ord-1", State.RELEASED)
    first = await post(http, [paid("ord-1")])
    assert causes(first) == [("missing_in_statement", "ord-1")]
    assert await post(http, [paid("ord-1")]) == first
    corrected = await post(http, [paid("ord-1"), paid_out("ord-1")])
    assert (corrected["revision"], corrected["clean"]) == (2, True)
    assert [(each["revision"], each["differences"]) for each in corrected["history"]] == [(1, 1), (2, 0)]
    with pytest.raises(asyncpg.RestrictViolationError):
        await http.pool.execute("DELETE FROM reconciliations")  # type: ignore[attr-defined]


async def test_a_book_that_has_moved_on_makes_a_new_result_of_the_same_statement(http: httpx.AsyncClient) -> None:
    stated = [paid("ord-1")]
    assert causes(await post(http, stated)) == [("unknown_reference", "ord-1")]
    await life(http, "ord-1", State.FUNDED)
    again = await post(http, stated)
    assert (again["revision"], again["clean"]) == (2, True)


async def test_an_entry_that_stands_in_the_next_days_statement(http: httpx.AsyncClient) -> None:
    await life(http, "ord-1", State.RELEASED)
    assert causes(await post(http, [paid("ord-1")])) == [("missing_in_statement", "ord-1")]
    next_day = await post(http, [paid_out("ord-1")], DAY + ONE_DAY)
    assert causes(next_day) == [("booked_on_another_day", "ord-1")]
    assert causes(await post(http, [paid("ord-1")])) == [("booked_on_another_day", "ord-1")]


async def test_an_invented_payment_of_an_order_that_was_paid_on_a_day_that_agreed(http: httpx.AsyncClient) -> None:
    await life(http, "ord-1", State.FUNDED)
    assert (await post(http, [paid("ord-1")]))["clean"]
    invented = entry(EntryKind.PAYMENT, "unknown-1", "ord-1", 10_000)
    assert causes(await post(http, [invented], DAY + ONE_DAY)) == [("missing_in_book", "ord-1")]


async def test_money_that_did_not_pay_its_order_is_explained_by_its_return_on_a_later_day(
    http: httpx.AsyncClient,
) -> None:
    """E4: ord-1 was paid twice; ord-9 was cancelled before its payment came, so escrow never heard of it."""
    await life(http, "ord-1", State.FUNDED)
    twice = entry(EntryKind.PAYMENT, "pay-ord-1-2", "ord-1", 10_000)
    late = entry(EntryKind.PAYMENT, "pay-ord-9-1", "ord-9", 500)
    day = [paid("ord-1"), twice, late]
    assert causes(await post(http, day)) == [("missing_in_book", "ord-1"), ("unknown_reference", "ord-9")]
    # when the next day's statement has both returns
    returns = [
        entry(EntryKind.REFUND, "return-pay-ord-1-2-1", "ord-1", 10_000),
        entry(EntryKind.REFUND, "return-pay-ord-9-1-1", "ord-9", 500),
    ]
    next_day = await post(http, returns, DAY + ONE_DAY)
    assert causes(next_day) == [("surplus_returned", "ord-1"), ("surplus_returned", "ord-9")]
    # then the first day is explained too, and nothing of it is part of the totals
    again = await post(http, day)
    assert causes(again) == [("surplus_received", "ord-1"), ("surplus_received", "ord-9")]
    assert [(each["stated"], each["booked"], each["entries"]) for each in again["totals"]] == [(10_000, 10_000, 1)]
    assert next_day["totals"] == []


async def test_deposits_compare_their_own_payments(database: str) -> None:
    async with served(database, DEPOSITS, DEPOSITS_API, Path(deposits.__file__).parent) as http:
        came = Transfer(
            f"{SELLER}/payment/deposit-{SELLER}-1",
            Account(Kind.CLEARING, "provider", "EUR"),
            Account(Kind.DEPOSIT, SELLER, "EUR"),
            50_000,
            "deposit",
            SELLER,
        )
        async with http.pool.acquire() as connection, connection.transaction():  # type: ignore[attr-defined]
            await LedgerStore().write(connection, [("cause", came)], NOON)
        deposit = entry(EntryKind.PAYMENT, f"deposit-{SELLER}-1", SELLER, 50_000)
        told = await post(http, [deposit, paid("ord-1")])
        assert causes(told) == [("unknown_reference", "ord-1")]
        assert told["totals"][0]["difference"] == 0


async def test_differences_are_read_page_by_page(http: httpx.AsyncClient) -> None:
    await post(http, [paid(f"ord-{number}") for number in range(25)])
    seen, after = [], 0
    while after is not None:
        query: dict[str, Any] = {"provider": "payments", "after": after, "limit": 10}
        page = (await http.get(f"/reconciliations/{DAY}", params=query)).json()
        seen += [each["reference"] for each in page["differences"]]
        after = page["next"]
    assert seen == [f"ord-{number}" for number in range(25)]


async def test_only_operators_and_services_compare_statements(http: httpx.AsyncClient) -> None:
    for who in ("buyer:b-1", "seller:s-1", "mediator:m-1", "support:u-1"):
        for answer in (
            await http.post("/reconciliations", json={}, headers=as_actor(who)),
            await http.get(f"/reconciliations/{DAY}?provider=payments", headers=as_actor(who)),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"{}", b"\xff",
        b'{"provider":"p\\u0000","day":"2026-03-14","closed_at":"2026-03-15T00:00:00Z","entries":[]}',
        b'{"provider":"p","day":"0001-01-01","closed_at":"2026-03-15T00:00:00Z","entries":[]}',
        b'{"provider":"p","day":"2026-03-14","closed_at":"0001-01-01T00:00:00+14:00","entries":[]}',
        b'{"provider":"p","day":"2026-03-14","closed_at":"2026-03-15T00:00:00Z","entries":[{"operation_id":"x"}]}',
    ],
    ids=repr,
)  # fmt: skip
async def test_what_is_no_statement_is_refused_with_what_is_wrong(http: httpx.AsyncClient, body: bytes) -> None:
    answer = await http.post("/reconciliations", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_data"), answer.text
    missing = await http.get(f"/reconciliations/{DAY}", params={"provider": "p"})
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_a_day_of_a_hundred_thousand_movements(http: httpx.AsyncClient) -> None:
    number = 100_000
    await http.pool.execute(  # type: ignore[attr-defined]
        """
        INSERT INTO ledger_transfers (batch, position, amount, at, id, debit, credit, order_id, purpose, cause)
        SELECT 1, n, 1000 + n, $1::timestamptz + n * interval '1 ms', format('ord-%s/refund-ord-%s-1/out', n, n),
            'refund_transit:provider#0:EUR', 'clearing:provider#0:EUR', format('ord-%s', n), 'refund', 'cause'
        FROM generate_series(1, $2::integer) AS n
        """,
        NOON,
        number,
    )
    stated = [refunded(f"ord-{n}", 1000 + n) for n in range(1, number) if n != 500]
    told = await post(http, stated)
    assert causes(told) == [("missing_in_statement", "ord-500"), ("missing_in_statement", f"ord-{number}")]
    assert told["movements"] == number
