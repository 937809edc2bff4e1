"""What orders and disputes show over HTTP, on a real PostgreSQL: one thing by its id, and lists page by page."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

import disputes
import orders
from disputes.api import API as DISPUTES_API
from disputes.case import Case
from disputes.case import Status as CaseStatus
from disputes.repository import list_cases
from disputes.service import SERVICE as DISPUTES
from orders import repository as order_lists
from orders.api import API as ORDERS_API
from orders.order import Order
from orders.order import Status as OrderStatus
from orders.repository import list_orders
from orders.service import SERVICE as ORDERS
from runtime.decision import Ref, Refused, Service
from runtime.fold import Versioned
from runtime.http import Api, add_routes
from runtime.migrate import migrate
from runtime.problems import on_refused
from runtime.repository import Repository
from runtime.writes import write
from tests.access import access, as_actor
from tests.unit.disputes.given import days
from tests.unit.disputes.given import in_state as case_in_state
from tests.unit.orders.given import in_state as order_in_state


def order(number: int, status: OrderStatus, buyer: str, seller: str) -> Order:
    usual = order_in_state(status).order
    return replace(usual, order_id=f"order-{number:03}", buyer_id=buyer, seller_id=seller)


def case(id: str, status: CaseStatus, order_id: str, rule_in: float) -> Case:
    usual: Case = case_in_state(status).state("disputes", "case-1")
    return replace(usual, dispute_id=id, order_id=order_id, rule_by=usual.opened_at + days(rule_in))


ORDER_LIST = [
    order(number, status, f"buyer-{number % 2}", f"seller-{number % 3}")
    for number, status in enumerate([*OrderStatus, *OrderStatus])
]
CASE_LIST = [
    case("c", CaseStatus.OPEN, "order-1", 1),
    case("a", CaseStatus.OPEN, "order-2", 2),
    case("b", CaseStatus.OPEN, "order-1", 2),
    case("d", CaseStatus.RULED, "order-1", 3),
    case("e", CaseStatus.CLOSED, "order-3", 0.5),
]


@asynccontextmanager
async def holding(
    dsn: str, service: Service, folder: Path, states: Sequence[tuple[Ref, Any]]
) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
    try:
        async with pool.acquire() as connection:
            await migrate(connection, [folder / "migrations"])
            changed = {ref: Versioned(state, 1) for ref, state in states}
            await write(connection, Repository(service).writes({}, changed))
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def order_pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    states = [(Ref("orders", state.order_id), state) for state in ORDER_LIST]
    async with holding(database, ORDERS, Path(orders.__file__).parent, states) as pool:
        yield pool


@pytest.fixture
async def case_pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    states = [(Ref("disputes", state.dispute_id), state) for state in CASE_LIST]
    async with holding(database, DISPUTES, Path(disputes.__file__).parent, states) as pool:
        yield pool


def client(service: Service, api: Api, pool: asyncpg.Pool) -> httpx.AsyncClient:
    app = FastAPI()
    app.state.pool, app.state.repository, app.state.access = pool, Repository(service), access()
    app.add_exception_handler(Refused, on_refused)
    add_routes(app, api)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


async def pages(pool: asyncpg.Pool, limit: int, **filters: Any) -> list[str]:
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await list_orders(pool, after=after, limit=limit, **filters)
        assert len(page.orders) <= limit
        found += [versioned.state.order_id for versioned in page.orders]
        after = page.next_after
    return found


@pytest.mark.parametrize("window", [1, 3, 1_000])
async def test_orders_are_listed_page_by_page_whatever_the_filters_and_the_window(
    order_pool: asyncpg.Pool, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_lists, "WINDOW", window)
    for name in ("_SQL_ALL", "_SQL_BUYER", "_SQL_SELLER", "_SQL_BOTH"):
        sql = getattr(order_lists, name)
        monkeypatch.setattr(order_lists, name, sql.replace("LIMIT 2000", f"LIMIT {window}"))
    for buyer in (None, "buyer-1", "nobody"):
        for seller in (None, "seller-2"):
            for status in (None, OrderStatus.MIXED, OrderStatus.PAID):
                expected = [
                    state.order_id
                    for state in ORDER_LIST
                    if buyer in (None, state.buyer_id)
                    and seller in (None, state.seller_id)
                    and status in (None, state.status)
                ]
                for limit in (1, 2, 200):
                    listed = await pages(order_pool, limit, buyer_id=buyer, seller_id=seller, status=status)
                    assert listed == expected


async def test_every_order_state_fits_the_table_and_comes_back_as_it_was(order_pool: asyncpg.Pool) -> None:
    page = await list_orders(order_pool)
    assert [versioned.state for versioned in page.orders] == ORDER_LIST
    assert {state.status for state in ORDER_LIST} == set(OrderStatus)


async def test_buyers_and_sellers_read_their_own_orders_only_e10(order_pool: asyncpg.Pool) -> None:
    async with client(ORDERS, ORDERS_API, order_pool) as http:
        for actor, status in [
            ("buyer:buyer-1", 200),
            ("seller:seller-1", 200),
            ("support:agent-1", 200),
            ("buyer:buyer-0", 404),
            ("seller:seller-2", 404),
            ("seller:buyer-1", 404),
        ]:
            answer = await http.get("/orders/order-001", headers=as_actor(actor))
            assert answer.status_code == status, actor
            assert ("buyer-1" in answer.text) is (status == 200 and not actor.startswith("seller"))
        assert (await http.get("/orders/order-999", headers=as_actor("support:agent-1"))).status_code == 404
        assert (await http.get("/orders/order-001")).status_code == 401


async def test_lists_of_orders_over_http(order_pool: asyncpg.Pool) -> None:
    async with client(ORDERS, ORDERS_API, order_pool) as http:
        for actor, query, numbers in [
            ("buyer:buyer-1", "", range(1, 28, 2)),
            ("buyer:buyer-1", "buyer_id=buyer-1&seller_id=seller-0", range(3, 28, 6)),
            ("seller:seller-2", "", range(2, 28, 3)),
            ("support:agent-1", "state=funded", [3, 17]),
            ("operator:op-1", "buyer_id=buyer-0&state=paid&after=order-002", [16]),
        ]:
            answer = (await http.get(f"/orders?{query}", headers=as_actor(actor))).json()
            assert [entry["order_id"] for entry in answer["orders"]] == [f"order-{number:03}" for number in numbers]
            assert answer["next"] is None
            assert ("buyer_id" in answer["orders"][0]) is not actor.startswith("seller")
        first = (await http.get("/orders?limit=2", headers=as_actor("support:agent-1"))).json()
        assert (len(first["orders"]), first["next"]) == (2, "order-001")


@pytest.mark.parametrize(
    ("actor", "query", "status"),
    [
        ("buyer:buyer-1", "buyer_id=buyer-0", 403),
        ("seller:seller-1", "seller_id=seller-2", 403),
        ("seller:seller-1", "buyer_id=buyer-1", 403),
        ("support:agent-1", "limit=0", 422),
        ("support:agent-1", "limit=201", 422),
        ("support:agent-1", "state=lost", 422),
        ("support:agent-1", "buyer_id=a%00b", 422),
        ("support:agent-1", "after=a%00b", 422),
    ],
)
async def test_what_cannot_be_asked_is_refused(order_pool: asyncpg.Pool, actor: str, query: str, status: int) -> None:
    async with client(ORDERS, ORDERS_API, order_pool) as http:
        assert (await http.get(f"/orders?{query}", headers=as_actor(actor))).status_code == status


async def test_the_desk_is_ordered_by_deadline_d5(case_pool: asyncpg.Pool) -> None:
    for limit in (1, 2, 200):
        for filters, expected in [
            ({}, "ecabd"),
            ({"status": CaseStatus.OPEN}, "cab"),
            ({"order_id": "order-1"}, "cbd"),
            ({"order_id": "order-1", "status": CaseStatus.OPEN, "buyer_id": "buyer-1"}, "cb"),
            ({"seller_id": "nobody"}, ""),
        ]:
            listed, after = "", None
            while True:
                page = await list_cases(case_pool, limit=limit, after=after, **filters)
                listed += "".join(versioned.state.dispute_id for versioned in page.cases)
                if (after := page.next_after) is None:
                    break
            assert listed == expected


async def test_every_case_state_fits_the_table_and_comes_back_as_it_was(database: str) -> None:
    cases = [case(f"case-{number}", status, "order-1", number) for number, status in enumerate(CaseStatus)]
    states = [(Ref("disputes", state.dispute_id), state) for state in cases]
    async with holding(database, DISPUTES, Path(disputes.__file__).parent, states) as pool:
        page = await list_cases(pool)
    assert [versioned.state for versioned in page.cases] == cases


async def test_disputes_over_http(case_pool: asyncpg.Pool) -> None:
    async with client(DISPUTES, DISPUTES_API, case_pool) as http:
        for actor, expected in [
            ("mediator:m-1", "ecabd"),
            ("buyer:buyer-1", "ecabd"),
            ("seller:seller-1", "ecabd"),
            ("buyer:buyer-2", ""),
        ]:
            answer = await http.get("/disputes", headers=as_actor(actor))
            assert "".join(entry["dispute_id"] for entry in answer.json()["disputes"]) == expected
            one = await http.get("/disputes/a", headers=as_actor(actor))
            assert one.status_code == (200 if expected else 404)
            assert ("buyer-1" in answer.text + one.text) is actor.startswith(("mediator", "buyer:buyer-1"))
        lost = await http.get("/disputes?after=gone", headers=as_actor("mediator:m-1"))
        assert (lost.status_code, lost.json()["code"]) == (422, "invalid_cursor")
