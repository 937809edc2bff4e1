"""The provider's statement, and the tables of both simulators, on a real database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

import runtime
import simulators.carrier
import simulators.payments
from contracts.message import Actor, Role
from contracts.money import Money
from runtime.decision import Service
from runtime.migrate import migrate
from runtime.repository import Repository
from runtime.writes import write
from simulators.carrier.repository import fates_met
from simulators.carrier.service import SERVICE as CARRIER
from simulators.carrier.service import service as carrier
from simulators.faults import Faults
from simulators.payments.control import ReportChargeback, ReverseChargeback
from simulators.payments.repository import faults_met, moved_on, statement
from simulators.payments.service import SERVICE as PAYMENTS
from simulators.payments.service import service as provider
from tests.folding import Folding
from tests.unit.simulators.test_carrier import deliver, track
from tests.unit.simulators.test_payments import collect, pay_out, refund, script

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)


async def saved(folding: Folding, service: Service, package: str, database: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, Path(package).parent / "migrations"))
    repository = Repository(service)
    await write(connection, repository.writes({}, folding.states))
    assert (await repository.load(connection, list(folding.states))).states == folding.states
    return connection


async def test_the_statement_lists_what_moved_in_order(database: str) -> None:
    folding = Folding(PAYMENTS, NOW)
    demo = Actor(id="demo", role=Role.OPERATOR)
    taken = Money(amount=400, currency="EUR")
    folding.tell(script("decline", "pay-o1-1"), script("lost", "pay-o1-9"), collect(), collect(id="pay-o1-9"))
    folding.tell(collect(id="pay-o1-2"))
    folding.wait(timedelta(minutes=1))
    folding.tell(refund(), pay_out())
    folding.wait(timedelta(minutes=1))
    folding.tell(ReportChargeback(actor=demo, reference="o1", amount=taken, reason="not_recognised"))
    folding.wait(timedelta(days=1))
    folding.tell(ReverseChargeback(actor=demo, reference="o1", chargeback_id="chargeback-o1-1"))
    folding.tell(collect(id="pay-o1-3"))

    connection = await saved(folding, PAYMENTS, simulators.payments.__file__, database)
    lines = await statement(connection, 100)
    assert [(line.id, line.kind, line.amount, line.currency, line.reference) for line in lines] == [
        ("pay-o1-2", "payment", 1000, "EUR", "o1"),
        ("payout-o1-1", "payout", -1000, "EUR", "o1"),
        ("refund-o1-1", "refund", -1000, "EUR", "o1"),
        ("chargeback-o1-1", "chargeback", -400, "EUR", "o1"),
        ("chargeback-o1-1:reversed", "chargeback_reversal", 400, "EUR", "o1"),
    ]
    assert lines[0].moved_at == NOW + timedelta(seconds=3)

    paged, after = [], None
    while page := await statement(connection, 2, after):
        paged += page
        after = (page[-1].moved_at, page[-1].id)
    assert paged == lines
    await connection.close()


async def test_a_day_has_its_entries_in_order_with_our_names_for_them(database: str) -> None:
    folding = Folding(PAYMENTS, NOW)
    demo = Actor(id="demo", role=Role.OPERATOR)
    taken = Money(amount=400, currency="EUR")
    folding.tell(script("fail_payout", "payout-o1-1"), collect(), collect(id="pay-o1-2"))
    folding.wait(timedelta(minutes=1))
    folding.tell(pay_out(), refund())
    folding.wait(timedelta(minutes=1))
    for reference in ("o1", "never-paid"):
        folding.tell(ReportChargeback(actor=demo, reference=reference, amount=taken, reason="not_recognised"))
    folding.wait(timedelta(days=1))
    folding.tell(ReverseChargeback(actor=demo, reference="o1", chargeback_id="chargeback-o1-1"))

    connection = await saved(folding, PAYMENTS, simulators.payments.__file__, database)
    today, tomorrow = NOW.date(), NOW.date() + timedelta(days=1)
    told = [(one.operation_id, one.kind, one.amount.amount) for one in await moved_on(connection, today)]
    assert told == [
        ("pay-o1-1", "payment", 1000),
        ("pay-o1-2", "payment", 1000),
        ("refund-o1-1", "refund", 1000),
        ("chargeback-never-paid-1", "chargeback", 400),
        ("pay-o1-1", "chargeback", 400),
    ]
    (given_back,) = await moved_on(connection, tomorrow)
    assert (given_back.operation_id, given_back.kind) == ("pay-o1-1", "chargeback_reversal")
    assert given_back.at == NOW + timedelta(days=1, minutes=2)
    assert await moved_on(connection, today - timedelta(days=1)) == []
    await connection.close()


async def test_faults_that_operations_met_are_counted(database: str) -> None:
    folding = Folding(provider(Faults("a", {"decline": 10_000, "delay": 10_000})), NOW)
    folding.tell(collect(), collect(id="pay-o1-2"), refund())
    connection = await saved(folding, PAYMENTS, simulators.payments.__file__, database)
    assert await faults_met(connection) == {"decline": 2, "delay": 3}
    await connection.close()


async def test_parcels_are_kept(database: str) -> None:
    folding = Folding(CARRIER, NOW)
    folding.tell(track(), deliver())
    connection = await saved(folding, CARRIER, simulators.carrier.__file__, database)
    await connection.close()


async def test_fates_that_parcels_met_are_counted(database: str) -> None:
    folding = Folding(carrier(None, faults=Faults("a", {"lost": 10_000})), NOW)
    folding.tell(track(), deliver())
    connection = await saved(folding, CARRIER, simulators.carrier.__file__, database)
    assert await fates_met(connection) == {"lost": 1}
    await connection.close()
