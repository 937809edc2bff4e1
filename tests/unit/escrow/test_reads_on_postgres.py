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
from runtime.writes import write
from tests.access import access, as_actor
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
            await write(connection, Repository(SERVICE).writes({}, states))
            await write(
                connection, timers.writes({(ref, DEADLINE): earliest(one.state)[0] for ref, one in states.items()})
            )
        yield pool
    finally:
        await pool.close()


def named(story: Story, id: str) -> object:
    return replace(story.state, order_id=id)


async def booked(pool: asyncpg.Pool, story: Story) -> None:
    """The order `o-1` and its money."""
    async with pool.acquire() as connection, connection.transaction():
        await write(connection, Repository(SERVICE).writes({}, {Ref("escrow", "o-1"): Versioned(story.state, 1)}))
        await LedgerStore().write(connection, [("cause", posting) for posting in story.folding.postings], T0)


@asynccontextmanager
async def client(pool: asyncpg.Pool, now: datetime = T0) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.state.pool, app.state.repository, app.state.clock = pool, Repository(SERVICE), Clock(now)
    app.state.access = access()
    app.add_exception_handler(Refused, on_refused)
    add_routes(app, API)
    operator = as_actor("operator:op-1")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://escrow", headers=operator) as http:
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
        assert (await http.get("/overdue")).json() == {"orders": [], "next": None}
    async with client(pool, T0 + hours(13)) as http:
        (late,) = (await http.get("/overdue")).json()["orders"]
        assert late["lines"][0]["state"] == "screening"
    async with client(pool, T0 + days(400)) as http:
        shown = (await http.get("/overdue")).json()["orders"]
    waits = [story for story in STORIES.values() if story.tranche().deadline_at]
    assert len(shown) == len(waits)
    deadlines = [each["lines"][0]["deadline_at"] for each in shown]
    assert deadlines == sorted(deadlines)
    # and page by page the same
    paged: list[str] = []
    async with client(pool, T0 + days(400)) as http:
        after: dict[str, str] = {}
        while True:
            page = (await http.get("/overdue", params={"limit": 2, **after})).json()
            paged += [each["order_id"] for each in page["orders"]]
            if page["next"] is None:
                break
            after = {"after": page["next"]}
        assert (await http.get("/overdue", params={"after": "yesterday"})).json()["code"] == "invalid_cursor"
    assert paged == [each["order_id"] for each in shown]


async def test_the_database_refuses_an_order_that_would_wait_for_ever(pool: asyncpg.Pool) -> None:
    waiting = given(*PAST[State.FUNDED]).state
    forgotten = replace(waiting, order_id="o-x", tranches=(replace(waiting.tranches[0], deadline_at=None),))
    async with pool.acquire() as connection:
        with pytest.raises(asyncpg.CheckViolationError, match="nothing_waits_for_ever"):
            await write(connection, Repository(SERVICE).writes({}, {Ref("escrow", "o-x"): Versioned(forgotten, 1)}))


async def test_x1_the_proof_and_where_the_money_of_an_order_is(pool: asyncpg.Pool) -> None:
    story = given(*PAST[State.DISPUTED])
    await booked(pool, story)
    async with client(pool) as http:
        proof = (await http.get("/money/proof")).json()
        assert (proof["ok"], proof["orders"]) == (True, 1)
        money = (await http.get("/money/orders/o-1")).json()
        assert money["lies"] == {"EUR": {"funded": 10_000, "held": 10_000}}
        assert [each["id"] for each in money["legs"]] == ["o-1/1/fund"]


async def test_x1_a_whole_life_adds_up_in_the_database_as_in_the_book(pool: asyncpg.Pool) -> None:
    story = given(*PAST[State.SETTLED])
    await booked(pool, story)
    async with client(pool) as http:
        assert (await http.get("/money/proof")).json()["ok"]
        money = (await http.get("/money/orders/o-1")).json()
        assert money["lies"] == story.book.where("o-1")
        assert money["pending"] == []


@pytest.mark.parametrize("path", ["/escrow/o-1", "/money/orders/o-1"])
async def test_an_order_is_there_for_its_parties_and_for_staff_only(pool: asyncpg.Pool, path: str) -> None:
    story = given(*PAST[State.SETTLED])
    await booked(pool, story)
    buyer, seller = story.state.buyer_id, story.state.seller_id
    async with client(pool) as http:
        for actor in (f"buyer:{buyer}", f"seller:{seller}", "support:s-1", "mediator:m-1", "service:orders"):
            assert (await http.get(path, headers=as_actor(actor))).status_code == 200, actor
        missing = await http.get(path.replace("o-1", "o-nobody"), headers=as_actor("operator:op-1"))
        for actor in (f"seller:{buyer}", f"buyer:{seller}", "buyer:b-stranger", "seller:s-stranger"):
            answer = await http.get(path, headers=as_actor(actor))
            assert (answer.status_code, answer.json()) == (404, missing.json()), actor


async def test_e10_a_seller_sees_their_own_money_and_nothing_of_how_the_buyer_pays(pool: asyncpg.Pool) -> None:
    # given an order settled by a ruling, paid in another currency than the seller is paid in
    story = given(*PAST[State.SETTLED])
    abroad = replace(story.state, presentment="KWD")
    async with pool.acquire() as connection, connection.transaction():
        await write(connection, Repository(SERVICE).writes({}, {Ref("escrow", "o-1"): Versioned(abroad, 1)}))
        await LedgerStore().write(connection, [("cause", posting) for posting in story.folding.postings], T0)
    async with client(pool) as http:
        seen = await http.get("/escrow/o-1", headers=as_actor(f"seller:{story.state.seller_id}"))
        money = (await http.get("/money/orders/o-1", headers=as_actor(f"seller:{story.state.seller_id}"))).json()
    assert (
        story.state.buyer_id not in seen.text and "KWD" not in seen.text and "refund" not in seen.text.split("then")[0]
    )
    assert seen.json()["lines"][0]["to_seller"]["amount"] == story.tranche().to_seller
    assert {each["kind"] for each in seen.json()["operations"]} == {"payout"}
    assert money["lies"] == {"EUR": {"paid_out": story.tranche().to_seller}}
    assert money["legs"] and all(
        {"payable", "payout_transit"} & {leg["debit"]["kind"], leg["credit"]["kind"]} for leg in money["legs"]
    )


@pytest.mark.parametrize("path", ["/operator-queue", "/overdue", "/money/proof"])
async def test_what_is_about_all_orders_is_for_staff(pool: asyncpg.Pool, path: str) -> None:
    async with client(pool) as http:
        for actor in ("operator:op-1", "support:s-1", "service:console"):
            assert (await http.get(path, headers=as_actor(actor))).status_code == 200, actor
        for actor in ("buyer:b-1", "seller:s-1", "mediator:m-1", "reviewer:r-1"):
            answer = await http.get(path, headers=as_actor(actor))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), actor
        assert (await http.get(path, headers={"authorization": ""})).status_code == 401
