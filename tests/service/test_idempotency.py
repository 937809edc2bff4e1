"""Requests that come again, and requests to what has changed: one effect, one answer, never somebody else's."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

import runtime
from contracts.message import Actor, Role
from holdfast.embedded.ports import free_port
from runtime import idempotency
from runtime.batch import Repeated
from runtime.clock import RealClock
from runtime.db import as_it_is
from runtime.delivery import Delivery, Reader
from runtime.fold import Done, Refusal
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.migrate import migrate
from runtime.pump import Pump
from tests.access import as_actor
from tests.access import environment as environment_of_tokens
from tests.chaos.check import rows
from tests.chaos.process import Process, all_ready
from tests.chaos.proxy import Loss, proxied
from tests.databases import fresh_database
from tests.servers import Kafka, Postgres
from tests.service.test_http import is_problem
from tests.toy import toy
from tests.toy.parts import add, fresh_topics
from tests.waiting import eventually

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
async def shared(postgres: Postgres) -> AsyncIterator[str]:
    async with fresh_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
async def replicas(
    shared: str, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes of one service."""
    await fresh_topics(kafka.bootstrap)
    folder: Path = tmp_path_factory.mktemp("idempotency")
    both = []
    for number in range(2):
        port = free_port()
        environment = {
            "HOLDFAST_DATABASE_URL": shared,
            "HOLDFAST_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_PORT": str(port),
            **environment_of_tokens(),
        }
        both.append(Process(f"toy-{number}", ["toy"], environment, port, folder / f"{number}.log"))
    await all_ready(*both)
    yield both[0], both[1]
    for one in both:
        await one.reap()


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=20) as one:
        yield one


@pytest.fixture
def ask(replicas: tuple[Process, Process], http: httpx.AsyncClient) -> Ask:
    """`ask(tally, key, number)`: adds, under a key."""

    async def request(
        tally: str, key: str | None, number: Any, *, actor: str = "service:tests", replica: int = 0, **more: Any
    ) -> httpx.Response:
        headers = as_actor(actor) | ({"Idempotency-Key": key} if key is not None else {}) | more.pop("headers", {})
        return await http.post(
            f"{replicas[replica].url}/tallies/{tally}", json={"number": number} | more, headers=headers
        )

    return request


@pytest.fixture
def numbers(replicas: tuple[Process, Process], http: httpx.AsyncClient) -> Callable[[str], Any]:
    async def read(tally: str) -> Any:
        return (await http.get(f"{replicas[0].url}/tallies/{tally}", headers=as_actor("service:tests"))).json()[
            "numbers"
        ]

    return read


async def test_the_same_request_has_one_effect_and_the_same_answer(ask: Ask, numbers: Ask) -> None:
    # given a request that was answered, and one that came after it
    first = await ask("same", "k1", 5)
    assert (first.status_code, first.json()) == (200, {"result": "done", "version": 1})
    await ask("same", None, 6)
    # when it comes again, to any replica, written otherwise
    for replica in (0, 1):
        again = await ask("same", "k1", 5, replica=replica)
        # then it is answered as then
        assert (again.status_code, again.content) == (200, first.content)
        assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert await numbers("same") == [5, 6]


async def test_how_a_body_is_written_makes_no_other_of_it(
    ask: Ask, http: httpx.AsyncClient, replicas: tuple[Process, Process]
) -> None:
    await ask("written", "k1", 5, padding=1)
    headers = as_actor("service:tests") | {"Idempotency-Key": "k1"}
    content = b'{ "padding" : 1,\n "number" : 5 }'
    again = await http.post(f"{replicas[0].url}/tallies/written", content=content, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")


async def test_a_refusal_is_an_answer_too(ask: Ask, numbers: Ask) -> None:
    first = await ask("refused", "k1", -1)
    is_problem(first, 409, "negative")
    again = await ask("refused", "k1", -1, replica=1)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    # what is corrected is another request, and needs a key of its own
    is_problem(await ask("refused", "k1", 1), 422, "idempotency_key_reused")
    assert (await ask("refused", "k2", 1)).status_code == 200
    assert await numbers("refused") == [1]


async def test_a_key_is_for_one_body(ask: Ask, numbers: Ask) -> None:
    await ask("body", "k1", 5)
    for replica in (0, 1):
        is_problem(await ask("body", "k1", 6, replica=replica), 422, "idempotency_key_reused")
    is_problem(await ask("body", "k1", 5, headers={"If-Match": '"0"'}), 422, "idempotency_key_reused")
    assert await numbers("body") == [5]


async def test_a_key_is_an_actors_own_and_of_one_path(ask: Ask, numbers: Ask) -> None:
    for tally, actor in (("own", "service:tests"), ("own", "service:others"), ("other", "service:tests")):
        assert "idempotency-replayed" not in (await ask(tally, "k1", 5, actor=actor)).headers
    assert (await numbers("own"), await numbers("other")) == ([5, 5], [5])


async def test_what_had_no_answer_of_its_own_may_be_corrected_under_its_key(ask: Ask, numbers: Ask) -> None:
    is_problem(await ask("corrected", "k1", "five"), 422, "invalid_data")
    is_problem(await ask("corrected", "k1", toy.POISON), 500, "decision_failed")
    is_problem(await ask("corrected", "k1", toy.FORBIDDEN_BY_DATABASE), 500, "decision_failed")
    assert (await ask("corrected", "k1", 5)).json()["version"] == 1
    assert await numbers("corrected") == [5]


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_bounds(ask: Ask, key: str) -> None:
    is_problem(await ask("bounds", key, 1), 422, "invalid_idempotency_key")


async def test_any_number_at_once_have_one_effect(ask: Ask, numbers: Ask) -> None:
    for round in range(5):
        answers = await asyncio.gather(*(ask("at-once", f"k{round}", round, replica=n % 2) for n in range(20)))
        # either it was under way in the same process, or the answer was waited for
        for answer in answers:
            if answer.status_code != 200:
                is_problem(answer, 409, "request_in_flight")
                assert answer.headers["retry-after"]
            else:
                assert answer.json() == {"result": "done", "version": round + 1}
        assert sum("idempotency-replayed" not in a.headers for a in answers if a.status_code == 200) == 1
    assert await numbers("at-once") == list(range(5))


async def test_what_is_under_way_is_not_begun_again(ask: Ask, shared: str, numbers: Ask) -> None:
    # given a request that waits for a row that somebody else holds
    await ask("held", None, 1)
    holder = await asyncpg.connect(shared)
    async with holder.transaction():
        await holder.execute("SELECT FROM tallies WHERE id = 'held' FOR UPDATE")
        under_way = asyncio.create_task(ask("held", "k1", 2))
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"

        async def waits() -> bool:
            return bool(await rows(shared, waiting))

        await eventually(waits)
        # when it comes again in the meantime, then it is told so, whatever it asks
        is_problem(await ask("held", "k1", 2), 409, "request_in_flight")
        is_problem(await ask("held", "k1", 3), 409, "request_in_flight")
    await holder.close()
    assert (await under_way).json() == {"result": "done", "version": 2}
    assert (await ask("held", "k1", 2)).headers["idempotency-replayed"] == "true"
    assert await numbers("held") == [1, 2]


async def test_of_two_who_decide_on_what_they_read_one_is_told_that_it_changed(ask: Ask, numbers: Ask) -> None:
    await ask("decided", None, 1)
    both = await asyncio.gather(
        *(ask("decided", None, number, headers={"If-Match": '"1"'}, replica=number % 2) for number in (2, 3))
    )
    done, stale = sorted(both, key=lambda answer: answer.status_code)
    assert done.json() == {"result": "done", "version": 2}
    is_problem(stale, 412, "stale_version")
    assert (stale.json()["version"], stale.headers["etag"]) == (2, '"2"')
    # asked again under its key, it is told what it was told then
    stale = await ask("decided", "k1", 4, headers={"If-Match": '"1"'})
    await ask("decided", None, 5)
    again = await ask("decided", "k1", 4, headers={"If-Match": '"1"'})
    assert (again.status_code, again.content, again.headers["etag"]) == (412, stale.content, '"2"')
    assert len(await numbers("decided")) == 3


@pytest.mark.parametrize("if_match", ["*", 'W/"1"', "1", '"1", "2"', '"01"', '"-1"', f'"{"9" * 30}"', '"x"', ""])
async def test_if_match_names_one_version(ask: Ask, if_match: str) -> None:
    is_problem(await ask("matched", None, 1, headers={"If-Match": if_match}), 422, "invalid_if_match")


async def test_if_match_and_the_body_agree(ask: Ask) -> None:
    is_problem(await ask("agree", None, 1, headers={"If-Match": '"0"'}, expected_version=1), 422, "invalid_if_match")
    assert (await ask("agree", None, 1, headers={"If-Match": '"0"'}, expected_version=0)).status_code == 200


async def test_commits_whose_reply_is_lost_are_answered_truly_and_again(postgres: Postgres, database: str) -> None:
    chance = random.Random(5)
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
    await connection.close()
    reader = Reader(toy.TOY)

    def asked(number: int, key: str) -> Delivery:
        id = idempotency.command_id("/tallies/lossy", Actor(id="tests", role=Role.SERVICE), key)
        return reader.command(id, add("lossy", number), idempotency.digest({"number": number}))

    async with proxied(database) as network:  # noqa: SIM117
        async with asyncpg.create_pool(network.url, min_size=1, max_size=2, reset=as_it_is) as pool:
            pump = Pump(toy.TOY, pool, RealClock(), Metrics("toy"))
            working = asyncio.create_task(pump.run())
            network.lose = lambda is_relay: chance.choice([Loss.NOTHING, Loss.REQUEST, Loss.REPLY])
            answers = []
            # given commands and refusals under keys, and COMMITs that get lost on either way
            for number in range(20):
                one, refused = asked(number, f"k{number}"), asked(-1, f"refused-{number}")
                answers += await pump.submit([one, refused], give_up_after=30)
            assert network.lost.keys() >= {Loss.REQUEST, Loss.REPLY}
            network.lose = lambda is_relay: Loss.NOTHING
            again = []
            for number in range(20):
                again += await pump.submit(
                    [asked(number, f"k{number}"), asked(-1, f"refused-{number}")], give_up_after=30
                )
            working.cancel()
    # then each has its own answer, which is the same when it is asked again
    first = [told(answer) for answer in answers]
    assert first[::2] == [("done", number + 1) for number in range(20)]
    assert first[1::2] == [("negative", None)] * 20
    assert [told(answer) for answer in again] == first and all(isinstance(answer, Repeated) for answer in again)


def told(answer: Any) -> tuple[str, int | None]:
    """What an answer comes to, given the first time or again."""
    answer = answer.answer if isinstance(answer, Repeated) else answer
    assert isinstance(answer, Done | Refusal), answer
    return ("done", answer.version) if isinstance(answer, Done) else (answer.code, answer.version)


async def test_two_of_one_key_in_one_batch_are_one_command(database: str) -> None:
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
    await connection.close()
    reader, id = Reader(toy.TOY), new_id()
    id = idempotency.command_id("/tallies/twins", Actor(id="tests", role=Role.SERVICE), id)
    async with asyncpg.create_pool(database, min_size=1, max_size=1, reset=as_it_is) as pool:
        pump = Pump(toy.TOY, pool, RealClock(), Metrics("toy"))
        first, same, other = await pump._transact(
            [reader.command(id, add("twins", number), bytes([number])) for number in (5, 5, 6)]
        )
    assert (told(first), told(same)) == (("done", 1), ("done", 1))
    assert isinstance(same, Repeated) and told(other) == ("idempotency_key_reused", None)


async def test_only_commands_with_a_key_cost_a_statement_for_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
    await connection.close()
    statements: list[str] = []

    async def watch(connection: Any) -> None:
        connection.add_query_logger(lambda record: statements.append(record.query))

    reader = Reader(toy.TOY)
    async with asyncpg.create_pool(database, min_size=1, max_size=1, init=watch, reset=as_it_is) as pool:
        pump = Pump(toy.TOY, pool, RealClock(), Metrics("toy"))
        for request, expected in ((b"", 0), (b"digest", 1)):
            for tally in ("warm-up", "counted"):
                statements.clear()
                await pump._transact(
                    [reader.command(idempotency.UUID(new_id()), add(f"{tally}-{n}", 1), request) for n in range(50)]
                )
            assert sum("answers" in statement for statement in statements) == expected, statements


async def test_answers_are_dropped_when_they_are_old(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await asyncpg.connect(database)
    await migrate(connection, (runtime.MIGRATIONS, toy.MIGRATIONS))
    # given answers of many days
    await connection.execute(
        "INSERT INTO answers SELECT gen_random_uuid(), ''::bytea, '{}', now() - make_interval(days => n) "
        "FROM generate_series(1, 60) AS n"
    )
    monkeypatch.setattr(idempotency, "_AT_ONCE", 7)
    await idempotency.tidying(30).take(connection)
    assert await connection.fetchval("SELECT count(*) FROM answers") == 29
    assert await connection.fetchval("SELECT min(at) > now() - interval '30 days' FROM answers")
    await connection.close()
