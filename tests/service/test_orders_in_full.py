"""An order as its buyer and seller meet it over HTTP, on a real PostgreSQL: quote, address, payment, parcel, money."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI

import orders
import runtime
from contracts.carrier import Stage
from contracts.envelope import encode
from contracts.identity import AccountOpened
from contracts.message import Message
from contracts.money import Money
from orders.api import API
from orders.service import SERVICE
from runtime import timers
from runtime.db import as_it_is
from runtime.decision import Refused
from runtime.delivery import RawRecord, Reader, timer
from runtime.fold import Done
from runtime.http import add_routes
from runtime.metrics import Metrics
from runtime.migrate import migrate
from runtime.problems import on_refused
from runtime.pump import Pump
from runtime.repository import Repository
from tests.access import access, as_actor
from tests.unit.orders.given import HOME, deposit_activated, parcel_lost, rested, secured, succeeded, tracked

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
BUYER, SELLER = as_actor("buyer:buyer-1"), as_actor("seller:seller-1")
STRANGER, SUPPORT = as_actor("buyer:buyer-2"), as_actor("support:agent-1")
PLACED = {
    "order_id": "order-1",
    "buyer_id": "buyer-1",
    "seller_id": "seller-1",
    "buyer_country": "FR",
    "seller_country": "CN",
    "lines": [
        {
            "line_no": 1,
            "sku": "cup",
            "category": "toys",
            "quantity": 2,
            "unit_price": {"amount": 5_000, "currency": "EUR"},
        }
    ],
}
ADDRESS = {"address": HOME.model_dump()}


class Standing:
    """A clock that moves when it is told."""

    virtual = True

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class Market:
    """The orders service on a database of its own; `tell` hands it what others say."""

    def __init__(self, pool: Any, http: httpx.AsyncClient, pump: Pump, clock: Standing) -> None:
        self.pool, self.http, self._pump, self.clock = pool, http, pump, clock

    async def tell(self, *events: Message) -> None:
        for event in events:
            topic, key, headers, value = encode(
                event, id=str(uuid4()), source="tests", time=self.clock.now(),
                correlation_id=event.key, causation_id="", sequence=0,
            )  # fmt: skip
            (answer,) = await self._pump.submit(
                [Reader(SERVICE).record(RawRecord(topic, 0, 0, key, headers, value))], give_up_after=20
            )
            assert isinstance(answer, Done), answer

    async def wait(self, span: timedelta) -> None:
        """Lets time pass; what falls due happens."""
        self.clock.time += span
        async with self.pool.acquire() as connection:
            due = await timers.due(connection, self.clock.now(), 100)
        if due:
            await self._pump.submit([timer(one) for one in due], give_up_after=20)

    async def post(self, path: str, body: Any, actor: dict[str, str] = BUYER) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=actor)
        found: dict[str, Any] = answer.json()
        return found | {"status": answer.status_code}

    async def get(self, path: str, actor: dict[str, str] = BUYER) -> dict[str, Any]:
        answer = await self.http.get(path, headers=actor)
        found: dict[str, Any] = answer.json()
        return found | {"status": answer.status_code}


@pytest.fixture
async def market(database: str) -> AsyncIterator[Market]:
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, Path(orders.__file__).parent / "migrations"))
    await connection.close()
    clock, app = Standing(), FastAPI()
    async with asyncpg.create_pool(database, min_size=1, max_size=3, reset=as_it_is) as pool:
        pump = Pump(SERVICE, pool, clock, Metrics("orders"))
        working = asyncio.create_task(pump.run())
        reader = Reader(SERVICE)

        async def accept(id: Any, command: Any, request: bytes = b"") -> Any:
            (answer,) = await pump.submit([reader.command(id, command, request)], give_up_after=20)
            return answer

        app.state.pool, app.state.clock, app.state.accept, app.state.under_way = pool, clock, accept, set()
        app.state.repository, app.state.access = Repository(SERVICE), access()
        app.add_exception_handler(Refused, on_refused)
        add_routes(app, API)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://orders") as http:
            one = Market(pool, http, pump, clock)
            await one.tell(deposit_activated(), AccountOpened(person_id="buyer-1", country="FR"))
            yield one
            await pump.drain()
        working.cancel()


async def paid(market: Market) -> None:
    """An order of 100 EUR in dollars, by quote, with an address, paid and secured."""
    quote = {"quote_id": "q-1", "buyer_id": "buyer-1", "presentment": "USD", "settlement": "EUR"}
    assert (await market.post("/quotes", quote))["status"] == 200
    assert (await market.post("/orders", PLACED | {"quote_id": "q-1"}))["status"] == 200
    assert (await market.post("/orders/order-1/shipping-address", ADDRESS))["status"] == 200
    assert (await market.post("/orders/order-1/payment", {"method": "credit_card"}))["status"] == 200
    await market.tell(succeeded(amount=Money(amount=10_870, currency="USD")), secured())


async def test_a_quote_is_locked_for_its_buyer_and_the_order_keeps_it_e3(market: Market) -> None:
    quote = {"quote_id": "q-1", "buyer_id": "buyer-1", "presentment": "USD", "settlement": "EUR"}
    assert (await market.post("/quotes", quote, STRANGER))["code"] == "forbidden"
    assert (await market.post("/quotes", quote))["result"] == "done"
    issued = await market.get("/quotes/q-1")
    assert (issued["rate"], issued["expires_at"]) == ("1.086956522", "2024-03-01T12:30:00Z")
    assert (await market.get("/quotes/q-1", STRANGER))["status"] == 404
    assert (await market.post("/orders", PLACED | {"quote_id": "q-2"}))["code"] == "invalid_quote"
    made_up = {name: issued[name] for name in ("quote_id", "presentment", "settlement", "expires_at")} | {
        "rate": "0.01"
    }
    assert (await market.post("/orders", PLACED | {"quote": made_up}))["code"] == "invalid_quote"
    assert (await market.post("/orders", PLACED | {"quote_id": "q-1"}))["status"] == 200
    order = await market.get("/orders/order-1")
    assert order["amount_due"] == {"amount": 10_870, "currency": "USD"}
    assert order["quote"] == {"quote_id": "q-1", "rate": "1.086956522"}
    await market.wait(timedelta(minutes=30))
    assert (await market.post("/orders", PLACED | {"order_id": "o2", "quote_id": "q-1"}))["code"] == "quote_expired"


async def test_the_address_is_seen_by_who_ships_while_they_ship_and_then_forgotten_e10(market: Market) -> None:
    where = "/orders/order-1/shipping-address"
    assert (await market.post("/orders", PLACED))["status"] == 200
    assert (await market.get(where))["code"] == "not_found"
    assert (await market.post(where, ADDRESS, STRANGER))["status"] == 404
    assert (await market.post(where, ADDRESS, SELLER))["code"] == "forbidden"
    assert (await market.post(where, ADDRESS))["status"] == 200
    assert (await market.get(where, SELLER))["code"] == "forbidden"
    assert (await market.get(where, STRANGER))["status"] == 404
    await market.post("/orders/order-1/payment", {"method": "credit_card"})
    await market.tell(succeeded(), secured())
    for reader in (BUYER, SELLER, SUPPORT):
        assert (await market.get(where, reader))["line_1"] == HOME.line_1
    shipment = {"carrier": "dhl", "tracking_number": "LP0001"}
    assert (await market.post("/orders/order-1/shipment", shipment, SELLER))["status"] == 200
    assert (await market.post(where, ADDRESS))["code"] == "already_shipped"
    assert (await market.get(where, SELLER))["status"] == 200
    await market.tell(rested(1))
    assert (await market.get(where, SELLER))["code"] == "forbidden"
    assert (await market.get(where))["status"] == 200
    await market.wait(timedelta(days=30))
    assert (await market.get(where))["code"] == "not_found"
    assert await market.pool.fetchval("SELECT count(*) FROM shipping_addresses") == 0


async def test_the_address_is_in_no_other_table_than_its_own_e10(market: Market) -> None:
    await paid(market)
    written = [f"%{HOME.line_1}%", f"%{HOME.line_1.encode().hex()}%"]
    names = await market.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    holding = [
        name
        for (name,) in names
        if await market.pool.fetchval(f"SELECT count(*) FROM {name} AS t WHERE t::text LIKE ANY($1::text[])", written)
    ]
    assert holding == ["shipping_addresses"]


async def test_a_bad_address_is_refused_without_being_repeated_e10(market: Market) -> None:
    await market.post("/orders", PLACED)
    for bad in ({"city": ""}, {"postcode": "secret-postcode" * 20}, {"planet": "secret-planet"}):
        answer = await market.http.post(
            "/orders/order-1/shipping-address", json={"address": HOME.model_dump() | bad}, headers=BUYER
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_data")
        assert "secret-" not in answer.text
        assert HOME.line_1 not in answer.text


async def test_where_the_parcel_and_the_money_are_e5_e11(market: Market) -> None:
    await paid(market)
    money = await market.get("/orders/order-1/money")
    assert [f"{leg['leg']} {leg['held_by']}" for leg in money["legs"]] == ["payment platform", "hold platform"]
    assert (await market.get("/orders/order-1/money", STRANGER))["status"] == 404
    await market.post("/orders/order-1/shipment", {"carrier": "dhl", "tracking_number": "LP0001"}, SELLER)
    await market.tell(tracked(Stage.OUT_FOR_DELIVERY, 8, expected=8.5), tracked(Stage.IN_TRANSIT, 4, expected=9))
    order = await market.get("/orders/order-1")
    assert (order["parcel"]["status"], order["expected_arrival"]) == ("out_for_delivery", "2024-03-10T00:00:00Z")
    await market.wait(timedelta(days=9))
    assert (await market.get("/orders/order-1/money"))["overdue"] is True
    await market.tell(parcel_lost())
    order = await market.get("/orders/order-1")
    assert (order["state"], order["parcel"]["status"], order["expected_arrival"]) == ("shipped", "lost", None)
    assert order["waits_for"]["what"] == "open_dispute"
    seller = await market.http.get("/orders/order-1/money", headers=SELLER)
    assert "USD" not in seller.text and "pay-order" not in seller.text


async def test_the_buyer_is_reminded_and_then_the_order_is_cancelled_e2(market: Market) -> None:
    await market.post("/orders", PLACED)
    await market.wait(timedelta(days=2))
    order = await market.get("/orders/order-1")
    assert (order["state"], order["history"][-1]["what"]) == ("awaiting_payment", "payment_reminded")
    await market.wait(timedelta(days=1))
    order = await market.get("/orders/order-1")
    assert (order["state"], order["cancellation"]["fault"]) == ("cancelled", "nobody")


async def test_a_short_payment_is_seen_on_its_way_back_e11(market: Market) -> None:
    await market.post("/orders", PLACED)
    await market.post("/orders/order-1/payment", {"method": "bank_transfer"})
    await market.tell(succeeded(amount=Money(amount=9_999, currency="EUR")))
    order = await market.get("/orders/order-1")
    assert order["state"] == "awaiting_payment"
    assert order["payment"]["not_taken"][0]["why"] == "too_little"
    back = (await market.get("/orders/order-1/money"))["legs"][-1]
    assert (back["leg"], back["state"], back["amount"]["amount"]) == ("return", "under_way", 9_999)
