"""A seller pays the deposit at the simulated provider: two services on real servers, under a virtual clock, with the
provider's answers by Kafka or by webhook (P1, P4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

import deposits
import ledger
import runtime
import simulators.payments
from contracts.message import PARTITIONS, Command
from contracts.money import Money
from contracts.orders import PaymentMethod
from deposits.domain import Status
from deposits.service import SERVICE as DEPOSITS
from holdfast.embedded.ports import free_port
from runtime.app import Running, build
from runtime.clock import VirtualClock
from runtime.decision import Ref
from runtime.fold import Done
from runtime.http import Api
from simulators.faults import Faults
from simulators.forgeries import Tally
from simulators.payments import adapter
from simulators.payments.api import API as PAYMENTS_API
from simulators.payments.api import api
from simulators.payments.service import SERVICE as PAYMENTS
from simulators.payments.service import over_http
from simulators.settings import SimulatorSettings
from simulators.webhooks import webhooks
from tests.access import as_actor
from tests.databases import fresh_database
from tests.servers import Kafka, Postgres
from tests.signing import SECRETS, SENDERS
from tests.toy.parts import fresh_topics, settings_for
from tests.unit.deposits.given import MAY_2025, SELLER, open_deposit, pay
from tests.unit.simulators.test_payments import refund
from tests.waiting import eventually

TOPICS = sorted({*DEPOSITS.topics, *PAYMENTS.topics, "deposits.events.v1"})
PAYMENT = Ref("operations", "deposit-s-1-1")


@asynccontextmanager
async def served(running: Running, api: Api, port: int = 0) -> AsyncIterator[str]:
    """The service with its HTTP side on a free port; yields its address."""
    server = uvicorn.Server(uvicorn.Config(build(running, api), host="127.0.0.1", port=port, log_config=None))
    serving = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started and running.starting == "" and running.intake, within=30)
        await eventually(lambda: running.intake and running.intake.assigned(), within=30)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


@pytest.fixture
async def provider_database(postgres: Postgres) -> AsyncIterator[str]:
    """A second database beside the first; each service has its own."""
    async with fresh_database(postgres) as url:
        yield url


async def told(service: Running, command: Command) -> None:
    answer = await service.accept(uuid4(), command)
    assert isinstance(answer, Done), answer


@pytest.mark.parametrize(("asked_by", "answers_by"), [("kafka", "kafka"), ("kafka", "webhook"), ("http", "webhook")])
async def test_a_paid_deposit_becomes_active(
    asked_by: str, answers_by: str, kafka: Kafka, database: str, provider_database: str, tmp_path: Path
) -> None:
    await fresh_topics(kafka.bootstrap, TOPICS)
    clock = VirtualClock.create(tmp_path / "clock", MAY_2025)
    common = {"clock": f"virtual:{tmp_path / 'clock'}"}
    migrations = [runtime.MIGRATIONS, ledger.MIGRATIONS, Path(deposits.__file__).parent / "migrations"]
    settings = settings_for(database, kafka.bootstrap, webhook_secrets=SENDERS, **common)
    seller = Running(DEPOSITS, settings, migrations)

    async with served(seller, Api()) as address:
        by_webhook = {"webhook_deposits": f"{address}/webhooks", "webhook_signing_secrets": SECRETS["payments"]}
        chosen = by_webhook if answers_by == "webhook" else {}
        known = SimulatorSettings(**chosen)
        port, sender, over = free_port(), webhooks(known), asked_by == "http"
        if over:
            sender = adapter.over_http(known.provider_key, None, 5, sender, Tally())
        provider = Running(
            over_http() if over else PAYMENTS,
            settings_for(provider_database, kafka.bootstrap, port=port, **common),
            [runtime.MIGRATIONS, Path(simulators.payments.__file__).parent / "migrations"],
            sender,
        )
        async with served(provider, api(key=known.provider_key), port) as provider_address, httpx.AsyncClient() as http:
            await told(seller, open_deposit())
            await told(seller, pay(method=PaymentMethod.BANK_TRANSFER))

            async def asked() -> bool:
                return await provider.repository.get(provider.pool, PAYMENT) is not None

            await eventually(asked)
            clock.advance_to(MAY_2025 + timedelta(days=2))

            async def active() -> bool:
                found = await seller.repository.get(seller.pool, Ref("deposits", SELLER))
                return found is not None and found.state.status is Status.ACTIVE

            await eventually(active)
            assert await seller.pool.fetchval("SELECT sum(credits_posted) FROM ledger_accounts") == 8_000_00

            lines = (await http.get(f"{provider_address}/statement")).json()["lines"]
            assert [(line["id"], line["kind"], line["amount"]) for line in lines] == [
                ("deposit-s-1-1", "payment", 8_000_00)
            ]
            shown = await http.get(f"{provider_address}/operations/deposit-s-1-1", headers=as_actor("operator:demo"))
            operation = shown.json()
            assert (operation["status"], operation["method"]) == ("succeeded", "bank_transfer")
            assert provider.kafka_sender.produced.keys() <= {("payments.events.v1", n) for n in range(PARTITIONS)}
            assert bool(provider.kafka_sender.produced) == (answers_by == "kafka")


@pytest.mark.parametrize("fault", ["timeout", "request_lost"])
async def test_a_provider_that_does_not_answer_in_time_moves_the_money_once_P4(
    fault: str, kafka: Kafka, provider_database: str, tmp_path: Path
) -> None:
    await fresh_topics(kafka.bootstrap, TOPICS)
    clock = VirtualClock.create(tmp_path / "clock", MAY_2025)
    faults, tally, port = Faults("a", {fault: 10_000}), Tally(), free_port()
    key = SecretStr("key")
    provider = Running(
        over_http(faults),
        settings_for(provider_database, kafka.bootstrap, port=port, clock=f"virtual:{tmp_path / 'clock'}"),
        [runtime.MIGRATIONS, Path(simulators.payments.__file__).parent / "migrations"],
        adapter.over_http(key, None, 1, lambda _, kafka: kafka, tally),
    )
    async with served(provider, api(faults, tally, key), port) as address, httpx.AsyncClient(base_url=address) as http:
        # when a refund is asked for over Kafka's port, and the provider's HTTP says nothing
        await told(provider, refund())

        async def carried() -> bool:
            return bool(tally.told()["sent"].get("calls_looked_up"))

        await eventually(carried, within=30)

        # then it is found, or made anew under its name, and happens once
        async def begun() -> bool:
            found = await http.get("/v1/operations/refund-o1-1", headers={"authorization": "Bearer key"})
            return found.status_code == 200

        await eventually(begun, within=30)
        clock.advance_to(MAY_2025 + timedelta(minutes=1))

        async def moved() -> bool:
            return len((await http.get("/statement")).json()["lines"]) == 1

        await eventually(moved, within=30)
        clock.advance_to(MAY_2025 + timedelta(days=1))
        day = f"/statements/{MAY_2025.date()}"
        assert [
            (await http.get(path, headers=headers)).status_code
            for path in (day, f"{day}/planted")
            for headers in ({}, as_actor("seller:s-1"), as_actor("support:a-1"))
        ] == [401, 403, 403] * 2
        (entry,) = (await http.get(day, headers=as_actor("operator:op-1"))).json()["entries"]
        assert (entry["operation_id"], entry["kind"], entry["amount"]["amount"]) == ("refund-o1-1", "refund", 1000)
        tomorrow = f"/statements/{MAY_2025.date() + timedelta(days=1)}"
        not_over = await http.get(tomorrow, headers=as_actor("operator:op-1"))
        assert (not_over.status_code, not_over.json()["code"]) == (404, "day_not_closed")
        assert (await http.get("/faults")).json()["operations"] == {fault: 1}
        stranger = await http.get("/v1/operations/refund-o1-1", headers={"authorization": "Bearer guess"})
        assert (stranger.status_code, stranger.json()["code"]) == (401, "invalid_provider_key")


async def test_the_provider_is_scripted_over_http(kafka: Kafka, provider_database: str, tmp_path: Path) -> None:
    await fresh_topics(kafka.bootstrap, TOPICS)
    VirtualClock.create(tmp_path / "clock", MAY_2025)
    provider = Running(
        PAYMENTS,
        settings_for(provider_database, kafka.bootstrap, clock=f"virtual:{tmp_path / 'clock'}"),
        [runtime.MIGRATIONS, Path(simulators.payments.__file__).parent / "migrations"],
    )
    async with served(provider, PAYMENTS_API) as address, httpx.AsyncClient(base_url=address) as http:
        http.headers.update(as_actor("operator:demo"))
        scripted = await http.post("/script", json={"target": "o1", "outcome": "decline", "reason": "stolen_card"})
        assert scripted.json() == {"result": "done", "version": 1}
        assert (await http.get("/script/o1")).json()["rules"] == [
            {"outcome": "decline", "reason": "stolen_card", "attempts": None}
        ]
        assert (await http.post("/script/o1/clearing")).status_code == 200
        amount = Money(amount=500, currency="EUR").model_dump()
        taken = await http.post("/chargebacks", json={"reference": "o1", "amount": amount, "reason": "fraud"})
        assert taken.status_code == 200
        assert (await http.post("/chargebacks/o1/chargeback-o1-1/reversal")).status_code == 200
        again = await http.post("/chargebacks/o1/chargeback-o1-1/reversal")
        assert (again.status_code, again.json()["code"]) == (409, "already_reversed")
        kinds = [line["kind"] for line in (await http.get("/statement")).json()["lines"]]
        assert kinds == ["chargeback", "chargeback_reversal"]
        first = (await http.get("/statement", params={"limit": 1})).json()
        rest = (await http.get("/statement", params={"limit": 1, "after": first["next"]})).json()
        assert [page["lines"][0]["kind"] for page in (first, rest)] == kinds
        bad = await http.get("/statement", params={"after": "yesterday"})
        assert (bad.status_code, bad.json()["code"]) == (422, "invalid_cursor")
