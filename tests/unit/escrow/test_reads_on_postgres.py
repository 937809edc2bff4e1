"""What escrow shows over HTTP, on a real PostgreSQL: an order's money, the operators' queue, the proof."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

import escrow
import ledger
import runtime
from escrow.api import API
from escrow.service import DEADLINE, SERVICE, earliest
from escrow.state import State
from ledger.store import LedgerStore
from runtime import timers
from runtime.decision import Ref, Refused
from runtime.fold import Versioned
from runtime.http import add_routes
from runtime.migrate import migrate
from runtime.problems import on_refused
from runtime.repository import Repository
from tests.unit.escrow.language import PAST, T0, Story, days, given, hours

STORIES = {f"o-{number:02}": given(*past) for number, past in enumerate(PAST.values())}
STATE_OF = dict(zip(STORIES, PAST, strict=True))
STUCK = [id for id, state in STATE_OF.items() if state is State.WITH_OPERATOR]


class Clock:
    """Stands where it is put."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await asyncpg.create_pool(database, min_size=1, max_size=2)
    try:
        async with pool.acquire() as connection:
            await migrate(
                connection, [runtime.MIGRATIONS, ledger.MIGRATIONS, Path(escrow.__file__).parent / "migrations"]
            )
            states = {Ref("escrow", id): Versioned(named(story, id), 7) for id, story in STORIES.items()}
            await Repository(SERVICE).save(connection, {}, states)
            await timers.save(connection, {(ref, DEADLINE): earliest(one.state)[0] for ref, one in states.items()})
        yield pool
    finally:
        await pool.close()


def named(story: Story, id: str) -> object:
    return replace(story.state, order_id=id)


@asynccontextmanager
async def client(pool: asyncpg.Pool, now: datetime = T0) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.pool, app.state.repository, app.state.clock = pool, Repository(SERVICE), Clock(now)
    app.add_exception_handler(Refused, on_refused)
    add_routes(app, API)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://escrow") as http:
        yield http


async def test_every_state_is_saved_and_shown(pool: asyncpg.Pool) -> None:
    async with client(pool) as http:
        for id, state in STATE_OF.items():
            answer = await http.get(f"/escrow/{id}")
            assert (answer.status_code, answer.headers["etag"]) == (200, '"7"')
            assert [each["state"] for each in answer.json()["lines"]] == [state.value]
        missing = await http.get("/escrow/o-nobody")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_operators_queue_has_what_waits_for_them_page_by_page(pool: asyncpg.Pool) -> None:
    async with client(pool) as http:
        page = (await http.get("/operator-queue", params={"limit": 1})).json()
        assert [each["order_id"] for each in page["orders"]] == STUCK[:1]
        rest = (await http.get("/operator-queue", params={"after": STUCK[0]})).json()
        assert rest["next"] is None
        assert [each["order_id"] for each in page["orders"] + rest["orders"]] == STUCK


async def test_what_should_have_moved_is_overdue_the_longest_first(pool: asyncpg.Pool) -> None:
    async with client(pool) as http:
        assert (await http.get("/overdue")).json() == {"orders": []}
    async with client(pool, T0 + hours(13)) as http:
        (late,) = (await http.get("/overdue")).json()["orders"]
        assert late["lines"][0]["state"] == "screening"
    async with client(pool, T0 + days(400)) as http:
        shown = (await http.get("/overdue")).json()["orders"]
    waits = [story for story in STORIES.values() if story.tranche().deadline_at]
    assert len(shown) == len(waits)
    deadlines = [each["lines"][0]["deadline_at"] for each in shown]
    assert deadlines == sorted(deadlines)


async def test_the_database_refuses_an_order_that_would_wait_for_ever(pool: asyncpg.Pool) -> None:
    waiting = given(*PAST[State.FUNDED]).state
    forgotten = replace(waiting, order_id="o-x", tranches=(replace(waiting.tranches[0], deadline_at=None),))
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="nothing_waits_for_ever"):
            await Repository(SERVICE).save(connection, {}, {Ref("escrow", "o-x"): Versioned(forgotten, 1)})


async def test_x1_the_proof_and_where_the_money_of_an_order_is(pool: asyncpg.Pool) -> None:
    story = given(*PAST[State.DISPUTED])
    async with pool.acquire() as connection, connection.transaction():
        await LedgerStore().write(connection, [("cause", each) for each in story.folding.postings], T0)
    async with client(pool) as http:
        proof = (await http.get("/money/proof")).json()
        assert (proof["ok"], proof["orders"]) == (True, 1)
        money = (await http.get("/money/orders/o-1")).json()
        assert money["lies"] == {"EUR": {"funded": 10_000, "held": 10_000}}
        assert [each["id"] for each in money["legs"]] == ["o-1/1/fund"]


async def test_x1_a_whole_life_adds_up_in_the_database_as_in_the_book(pool: asyncpg.Pool) -> None:
    story = given(*PAST[State.SETTLED])
    async with pool.acquire() as connection, connection.transaction():
        await LedgerStore().write(connection, [("cause", posting) for posting in story.folding.postings], T0)
    async with client(pool) as http:
        assert (await http.get("/money/proof")).json()["ok"]
        money = (await http.get("/money/orders/o-1")).json()
        assert money["lies"] == story.book.where("o-1")
        assert money["pending"] == []
