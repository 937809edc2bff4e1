"""The reviewers' list of appeals, on a real database."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

import identity
import runtime
from contracts.message import Actor, Role
from identity.domain import StopStatus
from identity.repository import appeals
from identity.service import SERVICE
from runtime.migrate import migrate
from runtime.repository import Repository
from runtime.writes import write
from tests.folding import Folding
from tests.unit.identity.given import MAY_2025, appeal, open_account, reject, screen, usd, verify

MIGRATIONS = (runtime.MIGRATIONS, Path(identity.__file__).parent / "migrations")


def people(*ids: str) -> Folding:
    """Each with an account and two stopped orders, appealed an hour apart."""
    folding = Folding(SERVICE, MAY_2025)
    for id in ids:
        themselves = Actor(id=id, role=Role.BUYER)
        folding.tell(open_account(themselves).model_copy(update={"person_id": id}))
        for number in (1, 2):
            order = f"{id}-order-{number}"
            folding.tell(screen(order, usd(20_000)).model_copy(update={"person_id": id}))
            submitted = appeal(by=themselves, order_id=order, appeal_id=f"{id}-appeal-{number}")
            folding.tell(submitted.model_copy(update={"person_id": id}))
            assert folding.refused is None
            folding.wait(timedelta(hours=1))
    return folding


async def saved(folding: Folding, database: str) -> asyncpg.Connection:
    connection = await asyncpg.connect(database)
    await migrate(connection, MIGRATIONS)
    repository = Repository(SERVICE)
    await write(connection, repository.writes({}, folding.states))
    loaded = await repository.load(connection, list(folding.states))
    assert loaded.states == folding.states
    return connection


async def test_the_longest_waiting_come_first_page_by_page(database: str) -> None:
    connection = await saved(people("b-2", "b-1"), database)
    first = await appeals(connection, StopStatus.SUBMITTED, 3)
    assert [row.appeal_id for row in first] == ["b-2-appeal-1", "b-2-appeal-2", "b-1-appeal-1"]
    assert first[0].submitted_at == MAY_2025
    assert (first[0].person_id, first[0].order_id, first[0].status) == ("b-2", "b-2-order-1", "submitted")
    assert (first[0].rules, first[0].documents) == (["large_order"], ["card_picture", "passport", "card_statement"])
    rest = await appeals(connection, StopStatus.SUBMITTED, 3, (first[-1].submitted_at, first[-1].appeal_id))
    assert [row.appeal_id for row in rest] == ["b-1-appeal-2"]
    await connection.close()


async def test_a_decided_appeal_changes_lists(database: str) -> None:
    folding = people("b-1", "b-2")
    folding.tell(
        verify(appeal_id="b-1-appeal-1").model_copy(update={"person_id": "b-1"}),
        reject(appeal_id="b-2-appeal-1").model_copy(update={"person_id": "b-2"}),
    )
    connection = await saved(folding, database)
    listed = {
        status.value: [row.appeal_id for row in await appeals(connection, status, 10)]
        for status in (StopStatus.SUBMITTED, StopStatus.VERIFIED, StopStatus.REJECTED)
    }
    assert listed == {
        "submitted": ["b-1-appeal-2", "b-2-appeal-2"],
        "verified": ["b-1-appeal-1"],
        "rejected": ["b-2-appeal-1"],
    }
    with pytest.raises(ValueError, match="submitted, verified, rejected"):
        await appeals(connection, StopStatus.STOPPED, 10)
    await connection.close()


async def test_the_list_is_found_by_its_index(database: str) -> None:
    connection = await saved(people("b-1"), database)
    await connection.execute(
        "INSERT INTO accounts SELECT 'x' || n, 1, 0, 0, 0, state FROM accounts, generate_series(1, 5000) AS n"
    )
    await connection.execute("ANALYZE accounts")
    plan = await connection.fetch("EXPLAIN SELECT id FROM accounts WHERE submitted > 0")
    assert "accounts_submitted" in "\n".join(row[0] for row in plan)
    assert len(await appeals(connection, StopStatus.SUBMITTED, 10)) == 2
    await connection.close()
