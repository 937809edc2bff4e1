"""The HTTP side of a service: whatever is sent, the answer is what was asked for or a problem with a code, never a
500 for what others send."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from contracts.attributes import MAX_BATCH_BYTES
from holdfast.embedded.ports import free_port
from runtime.http import MAX_BODY_BYTES
from tests.access import as_actor
from tests.access import environment as environment_of_tokens
from tests.chaos.process import Process, all_ready
from tests.chaos.proxy import proxied
from tests.databases import fresh_databases
from tests.servers import Kafka, Postgres
from tests.signing import SENDERS, signed
from tests.toy import toy
from tests.toy.parts import add, client, fresh_topics
from tests.waiting import eventually

SERVICE = as_actor("service:tests")
OPERATOR = as_actor("operator:op-1")
STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}

Start = Callable[..., Process]


@pytest.fixture(scope="module")
async def databases(postgres: Postgres) -> AsyncIterator[dict[str, str]]:
    async with fresh_databases(postgres, "toy", "mirror") as found:
        yield found


@pytest.fixture(scope="module")
async def start(
    databases: dict[str, str], kafka: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Start]:
    """Starts a process of `toy` or `mirror`; all of them end with the module."""
    await fresh_topics(kafka.bootstrap)
    folder: Path = tmp_path_factory.mktemp("http")
    started: list[Process] = []

    def process(service: str, **environment: Any) -> Process:
        port = free_port()
        given = {
            "HOLDFAST_DATABASE_URL": databases[service],
            "HOLDFAST_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_PORT": port,
            "HOLDFAST_WEBHOOK_SECRETS": SENDERS,
            **environment_of_tokens(),
        }
        name = f"{service}-{len(started)}"
        values = {key: str(value) for key, value in (given | environment).items()}
        started.append(Process(name, [service], values, port, folder / f"{name}.log"))
        return started[-1]

    yield process
    for one in started:
        await one.reap()


@pytest.fixture(scope="module")
async def services(start: Start) -> tuple[Process, Process]:
    """`toy` and `mirror`, ready."""
    both = start("toy"), start("mirror")
    await all_ready(*both)
    return both


@pytest.fixture
async def http(services: tuple[Process, Process]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `toy`, which asks as a service."""
    async with httpx.AsyncClient(base_url=services[0].url, timeout=20, headers=SERVICE) as one:
        yield one


@pytest.fixture
async def mirror(services: tuple[Process, Process]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `mirror`, which hears of parcels by webhook."""
    async with httpx.AsyncClient(base_url=services[1].url, timeout=20, headers=SERVICE) as one:
        yield one


def is_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == f"urn:holdfast:problem:{code}" and body["title"] and body["detail"]


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 422, "invalid_json"),
        (b"\xff\xfe", 422, "invalid_json"),
        (b'{"number": 1} x', 422, "invalid_json"),
        (b'{"number": NaN}', 422, "invalid_json"),
        (b'{"number": "\\ud800"}', 422, "invalid_json"),
        (b"[" * 100_000, 422, "invalid_json"),
        (b"[1]", 422, "invalid_json"),
        (b"1", 422, "invalid_json"),
        (b"null", 422, "invalid_json"),
        (b'{"number": %s}' % (b"9" * 5000), 422, "invalid_json"),
        (b"", 422, "invalid_data"),
        (b"{}", 422, "invalid_data"),
        (b'{"number": "1"}', 422, "invalid_data"),
        (b'{"number": 1.5}', 422, "invalid_data"),
        (b'{"number": null}', 422, "invalid_data"),
        (b'{"number": true}', 422, "invalid_data"),
        (b'{"number": 1, "surprise": 2}', 422, "invalid_data"),
        (b'{"number": 1, "expected_version": -1}', 422, "invalid_data"),
        (b'{"number": 1, "tally": "b"}', 422, "invalid_data"),
        (b'{"number": 1, "actor": {"id": "me", "role": "operator"}}', 422, "invalid_data"),
        (b'{"number": -1}', 409, "negative"),
        (b'{"number": 1, "expected_version": 12}', 412, "stale_version"),
        (b" " * (MAX_BODY_BYTES + 1), 413, "too_large"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, bytes) else None,
)
async def test_what_is_not_a_command_is_refused_with_its_reason(
    http: httpx.AsyncClient, content: bytes, status: int, code: str
) -> None:
    answer = await http.post("/tallies/refusing", content=content, headers=SERVICE)
    is_problem(answer, status, code)
    is_problem(await http.get("/tallies/refusing"), 404, "not_found")


async def test_a_body_without_end_is_not_read_to_its_end(http: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 65536

    is_problem(await http.post("/tallies/a", content=endless(), headers=SERVICE), 413, "too_large")


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "no_token"),
        ("Bearer", "no_token"),
        ("Basic b3A6b3A=", "no_token"),
        ("Bearer service:tests", "invalid_token"),
        ("Bearer a.b.c", "invalid_token"),
        ("Bearer \xff", "invalid_token"),
        ("Bearer " + "x" * 9000, "invalid_token"),
    ],
)
async def test_a_command_needs_to_say_who_asks(http: httpx.AsyncClient, authorization: str, code: str) -> None:
    headers = {"Authorization": authorization.encode("latin-1")}
    answer = await http.post("/tallies/a", json={"number": 1}, headers=headers)
    is_problem(answer, 401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="holdfast"')


async def test_who_may_not_ask_is_refused(http: httpx.AsyncClient) -> None:
    headers = as_actor("buyer:b-1")
    is_problem(await http.post("/tallies/a", json={"number": 1}, headers=headers), 403, "forbidden")


@pytest.mark.parametrize(
    "id", ["unknown", "%00", "a%00b", "%ff", "x" * 5000, "..", "%2e%2e%2fetc", "%E2%80%AE", "'; DROP TABLE tallies; --"]
)
async def test_what_is_not_there_is_not_found(http: httpx.AsyncClient, id: str) -> None:
    answer = await http.get(f"/tallies/{id}")
    assert answer.status_code in (404, 422), answer.text
    is_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("id", ["%00", "%ff", "two words", "x" * 65, ".a"])
async def test_an_id_that_can_be_none_is_refused(http: httpx.AsyncClient, id: str) -> None:
    is_problem(await http.post(f"/tallies/{id}", json={"number": 1}, headers=SERVICE), 422, "invalid_data")


async def test_a_command_is_answered_after_its_commit_and_read_back_at_once(http: httpx.AsyncClient) -> None:
    answer = await http.post("/tallies/read-back", json={"number": 5}, headers=SERVICE)
    assert (answer.status_code, answer.json()) == (200, {"result": "done", "version": 1})
    answer = await http.post("/tallies/read-back", json={"number": 6, "expected_version": 1}, headers=SERVICE)
    assert answer.json() == {"result": "done", "version": 2}
    shown = await http.get("/tallies/read-back")
    assert (shown.json(), shown.headers["etag"]) == ({"numbers": [5, 6]}, '"2"')


async def test_a_fault_of_ours_is_told_as_one_and_has_no_effect(http: httpx.AsyncClient) -> None:
    for number in (toy.POISON, toy.FORBIDDEN_BY_DATABASE):
        answer = await http.post("/tallies/faulty", json={"number": number}, headers=SERVICE)
        is_problem(answer, 500, "decision_failed")
    assert (await http.post("/tallies/faulty", json={"number": 1}, headers=SERVICE)).json()["version"] == 1


async def test_a_parked_key_takes_no_commands_until_an_operator_moves_it(http: httpx.AsyncClient, kafka: Kafka) -> None:
    # given a parked key
    async with client(kafka.bootstrap) as other:
        await other.send(add("parked", toy.POISON), add("parked", 2))

    async def letters() -> list[dict[str, Any]]:
        listed = (await http.get("/dead-letters", headers=OPERATOR)).json()["letters"]
        return [letter for letter in listed if letter["key"] == "parked"]

    async def two() -> bool:
        return len(await letters()) == 2

    await eventually(two)
    is_problem(await http.post("/tallies/parked", json={"number": 1}, headers=SERVICE), 409, "key_parked")
    first, second = await letters()
    assert (first["code"], first["status"], second["status"]) == ("decision_raised", "failed", "waiting")
    # it can be read whole
    whole = (await http.get(f"/dead-letters/{first['seq']}", headers=OPERATOR)).json()
    assert first.items() <= whole.items()
    assert dict(whole["headers"])["ce_type"] == "toy.add.v1"
    assert (whole["record_key"], whole["value_encoding"]) == ("parked", "utf-8")
    assert json.loads(whole["value"])["number"] == toy.POISON
    # an operator gives a reason, and takes the first letter first
    reason = {"reason": "was a test"}
    for path, body, status, code in [
        ("replay", {}, 422, "invalid_reason"),
        ("replay", {"reason": "no"}, 422, "invalid_reason"),
        ("replay", {"reason": 12345}, 422, "invalid_reason"),
        ("discard", reason, 422, "invalid_seq"),
        ("discard", reason | {"seq": str(first["seq"])}, 422, "invalid_seq"),
        ("discard", reason | {"seq": True}, 422, "invalid_seq"),
        ("discard", reason | {"seq": 10**30}, 409, "not_first"),
        ("discard", reason | {"seq": second["seq"]}, 409, "not_first"),
        ("discard", {"reason": "nul \0 nul", "seq": first["seq"]}, 422, "invalid_value"),
    ]:
        is_problem(await http.post(f"/dead-letters/parked/{path}", json=body, headers=OPERATOR), status, code)
    # a replay is a dry run unless it says otherwise, and tells what still fails
    tried = (await http.post("/dead-letters/parked/replay", json=reason, headers=OPERATOR)).json()
    assert (tried["dry_run"], tried["left"], tried["letters"][0]["code"]) == (True, 2, "decision_raised")
    # and what is discarded is gone, so that the rest can go on
    gone = await http.post("/dead-letters/parked/discard", json=reason | {"seq": first["seq"]}, headers=OPERATOR)
    assert gone.json() == {"key": "parked", "discarded": first["seq"], "left": 1}
    kept = (await http.get(f"/dead-letters/{first['seq']}", headers=OPERATOR)).json()
    assert (kept["status"], kept["resolved_by"], kept["reason"]) == ("discarded", "op-1", "was a test")
    done = await http.post("/dead-letters/parked/replay", json=reason | {"dry_run": False}, headers=OPERATOR)
    assert done.json()["left"] == 0
    assert (await http.post("/tallies/parked", json={"number": 3}, headers=SERVICE)).json()["version"] == 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/dead-letters"),
        ("GET", "/dead-letters/1"),
        ("POST", "/dead-letters/a/replay"),
        ("POST", "/dead-letters/a/discard"),
    ],
)
async def test_dead_letters_are_for_operators(http: httpx.AsyncClient, method: str, path: str) -> None:
    is_problem(await http.request(method, path, headers={"authorization": ""}), 401, "no_token")
    is_problem(await http.request(method, path, headers=SERVICE), 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/dead-letters?limit=0", 422, "invalid_limit"),
        ("GET", "/dead-letters?limit=501", 422, "invalid_limit"),
        ("GET", "/dead-letters?limit=many", 422, "invalid_parameter"),
        ("GET", "/dead-letters?after=x", 422, "invalid_parameter"),
        ("GET", f"/dead-letters?after={10**30}", 422, "invalid_value"),
        ("GET", "/dead-letters/0", 404, "not_found"),
        ("GET", "/dead-letters/first", 422, "invalid_parameter"),
        ("GET", f"/dead-letters/{10**30}", 422, "invalid_value"),
        ("POST", "/dead-letters/nobody/replay", 404, "not_found"),
        ("POST", "/dead-letters/%00/replay", 422, "invalid_value"),
        ("POST", "/dead-letters//replay", 404, "not_found"),
    ],
)
async def test_dead_letters_are_asked_for_rightly(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    content = b'{"reason": "was a test"}' if method == "POST" else None
    is_problem(await http.request(method, path, content=content, headers=OPERATOR), status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "no_such_route"),
        ("GET", "/tallies/a/b/c", 404, "no_such_route"),
        ("GET", "//", 404, "no_such_route"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("DELETE", "/tallies/a", 405, "method_not_allowed"),
        ("PUT", "/webhooks", 405, "method_not_allowed"),
        ("SEARCH", "/coffee", 404, "no_such_route"),
        ("BREW", "/coffee", 400, "bad_request"),
    ],
)
async def test_what_is_not_offered_is_a_problem_too(
    http: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    is_problem(await http.request(method, path), status, code)


async def test_operators_and_probes_get_what_they_need(http: httpx.AsyncClient) -> None:
    await http.post("/tallies/measured", json={"number": 5}, headers=SERVICE)
    assert (await http.get("/livez")).json() == {"status": "alive"}
    assert (await http.get("/readyz")).json() == {"status": "ready", "wrong": []}
    families = {family.name: family for family in text_string_to_metric_families((await http.get("/metrics")).text)}
    done = [
        sample.value
        for sample in families["holdfast_messages"].samples
        if sample.name.endswith("_total") and sample.labels == {"service": "toy", "origin": "http", "result": "done"}
    ]
    assert done and done[0] >= 1
    assert {"holdfast_outbox_rows", "holdfast_parked_keys", "holdfast_batch_seconds"} <= families.keys()
    assert "/tallies/{tally}" in (await http.get("/openapi.json")).json()["paths"]
    progress = (await http.get("/dev/progress")).json()
    assert progress["ready"] is True and progress["outbox"] >= 0


def parcel(reference: str, **changes: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": "carrier",
        "type": "carrier.parcel_delivered.v1",
        "subject": reference,
        "data": {"reference": reference, "tracking_number": "TN-1", "delivered_at": "2026-01-31T12:00:00Z"},
    } | changes
    return {name: value for name, value in event.items() if value is not None}


async def test_events_come_by_webhook_one_or_many_and_once(mirror: httpx.AsyncClient) -> None:
    one = parcel("w-1")
    for _ in range(2):
        headers = STRUCTURED | signed(json.dumps(one))
        answer = await mirror.post("/webhooks", content=json.dumps(one), headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
    # a batch may be larger than a command
    many = [parcel("w-2") for _ in range(1500)]
    content = json.dumps([*many, *many])
    assert MAX_BODY_BYTES < len(content) < MAX_BATCH_BYTES
    assert (await mirror.post("/webhooks", content=content, headers=BATCH | signed(content))).status_code == 204
    assert (await mirror.get("/seen/w-1")).json()["parcels"] == ["TN-1"]
    assert len((await mirror.get("/seen/w-2")).json()["parcels"]) == 1500
    # what this service has no use for is passed over
    unused = json.dumps(parcel("w-3", type="payments.payout_succeeded.v1"))
    headers = STRUCTURED | signed(unused, "payments")
    assert (await mirror.post("/webhooks", content=unused, headers=headers)).status_code == 204
    is_problem(await mirror.get("/seen/w-3"), 404, "not_found")


@pytest.mark.parametrize(
    ("content", "headers", "code"),
    [
        (b"{", STRUCTURED, "invalid_malformed_structured"),
        (b"", STRUCTURED, "invalid_malformed_structured"),
        (b"[]", STRUCTURED, "invalid_malformed_structured"),
        (b"{}", STRUCTURED, "invalid_missing_header"),
        (b"{}", BATCH, "invalid_malformed_structured"),
        (b"[1]", BATCH, "invalid_malformed_structured"),
        (b"\xff\xfe", BATCH, "invalid_malformed_structured"),
        (parcel("x", specversion="0.3"), STRUCTURED, "invalid_wrong_specversion"),
        (parcel("x", id=""), STRUCTURED, "invalid_empty_header"),
        (parcel("x", id=None), STRUCTURED, "invalid_missing_header"),
        (parcel("x", source=None), STRUCTURED, "invalid_missing_header"),
        (parcel("x", type="mars.landed.v1"), STRUCTURED, "invalid_type"),
        (parcel("x", type="orders.place_order.v1"), STRUCTURED, "invalid_type"),
        (parcel("x", data=None), STRUCTURED, "invalid_missing_value"),
        (parcel("x", data={"reference": "x"}), STRUCTURED, "invalid_data"),
        (parcel("y", data=parcel("x")["data"]), STRUCTURED, "invalid_data"),
        (parcel("x", time="yesterday"), STRUCTURED, "invalid_bad_time"),
        ([parcel("x"), parcel("x", id="")], BATCH, "invalid_empty_header"),
        ([parcel("x"), parcel("x", type="orders.place_order.v1")], BATCH, "invalid_type"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, bytes) else None,
)
async def test_what_is_no_event_is_refused_and_nothing_of_its_batch_happens(
    mirror: httpx.AsyncClient, content: Any, headers: dict[str, str], code: str
) -> None:
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    is_problem(await mirror.post("/webhooks", content=content, headers=headers | signed(content)), 422, code)
    is_problem(await mirror.get("/seen/x"), 404, "not_found")


async def test_nothing_that_is_sent_is_answered_by_a_fault_of_ours(http: httpx.AsyncClient) -> None:
    chance = random.Random(11)
    paths = [
        "/tallies/a",
        "/tallies/%00",
        "/webhooks",
        "/dead-letters/a/replay",
        "/dead-letters/a/discard",
        "/dead-letters",
    ]
    tokens = [as_actor(actor)["authorization"] for actor in ("service:tests", "operator:op-1", "buyer:b")]
    pieces = [b'{"number": 1}', b"{", b"}", b"\x00", b"\xff", b'"', b"\\u0000", b"1e999", b"[]", b"null", b'{"reason":']
    for _ in range(400):
        content = b"".join(chance.choices(pieces, k=chance.randint(0, 4)))
        headers = {
            "Authorization": chance.choice([*tokens, "\x7f", "Bearer " + "x" * 3000]),
            "content-type": chance.choice([*STRUCTURED.values(), *BATCH.values(), "text/plain", ""]),
            "Idempotency-Key": chance.choice(["k", "x" * 300, "\x80"]).encode("latin-1"),
        }
        if chance.random() < 0.5:
            headers |= signed(content)
        answer = await http.request(
            chance.choice(["POST", "GET"]), chance.choice(paths), content=content, headers=headers
        )
        assert answer.status_code < 500, (answer.text, content)
        if answer.status_code >= 400:
            is_problem(answer, answer.status_code, answer.json()["code"])


async def test_too_many_commands_at_once_are_told_to_come_again(start: Start, databases: dict[str, str]) -> None:
    # given a service that takes three at a time, and a tally that somebody else holds
    narrow = start("toy", HOLDFAST_INTAKE_MAX=3, HOLDFAST_HTTP_WAIT=1)
    await narrow.ready()
    async with httpx.AsyncClient(base_url=narrow.url, timeout=20, headers=SERVICE) as http:
        await http.post("/tallies/held", json={"number": 1}, headers=SERVICE)
        holder = await asyncpg.connect(databases["toy"])
        async with holder.transaction():
            await holder.execute("SELECT FROM tallies WHERE id = 'held' FOR UPDATE")
            # when more come than it takes, again and again after the first have given up waiting
            for _ in range(3):
                asked = [http.post("/tallies/held", json={"number": 2}, headers=SERVICE) for _ in range(8)]
                answers = await asyncio.gather(*asked)
                for answer in answers:
                    is_problem(answer, 503, answer.json()["code"])
                    assert answer.headers["retry-after"]
                codes = [answer.json()["code"] for answer in answers]
                # then the rest is told at once
                assert codes.count("overloaded") >= 5 and set(codes) <= {"overloaded", "unavailable"}
        await holder.close()

        async def works_again() -> bool:
            return (await http.post("/tallies/held", json={"number": 3}, headers=SERVICE)).status_code == 200

        await eventually(works_again)
        # and what nobody waited for any more did not pile up: at most what was under way came through
        numbers = (await http.get("/tallies/held")).json()["numbers"]
        assert numbers.count(2) <= 3, numbers


@pytest.mark.parametrize("when", ["from the start", "after a while"])
async def test_without_a_database_everything_says_so(start: Start, databases: dict[str, str], when: str) -> None:
    async with proxied(databases["toy"]) as network:
        if when == "after a while":
            cut = start("toy", HOLDFAST_DATABASE_URL=network.url, HOLDFAST_HTTP_WAIT=1)
            await cut.ready()
    if when == "from the start":
        cut = start("toy", HOLDFAST_DATABASE_URL=network.url, HOLDFAST_HTTP_WAIT=1)

    async with httpx.AsyncClient(base_url=cut.url, timeout=20, headers=SERVICE) as http:

        async def says_so() -> bool:
            ready = await http.get("/readyz")
            return ready.status_code == 503 and "database" in ready.text

        await eventually(lambda: cut.lives())
        await eventually(says_so)
        is_problem(await http.post("/tallies/a", json={"number": 1}, headers=SERVICE), 503, "unavailable")
        is_problem(await http.get("/tallies/a"), 503, "unavailable")
        is_problem(await http.get("/dead-letters", headers=OPERATOR), 503, "unavailable")
        is_problem(await http.get("/dev/progress"), 503, "unavailable")
        body = {"reason": "was a test"}
        is_problem(await http.post("/dead-letters/a/replay", json=body, headers=OPERATOR), 503, "unavailable")
        event = json.dumps(parcel("w"))
        answer = await http.post("/webhooks", content=event, headers=STRUCTURED | signed(event))
        is_problem(answer, 503, "unavailable")
        is_problem(await http.get("/nowhere"), 404, "no_such_route")
        assert (await http.get("/livez")).status_code == 200
        assert (await http.get("/metrics")).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/merge-patch+json", True),
        (None, True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("multipart/form-data; boundary=x", False),
        ("", False),
    ],
)
async def test_a_command_is_json(http: httpx.AsyncClient, content_type: str | None, taken: bool) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    answer = await http.post("/tallies/typed", content=b'{"number": 1}', headers=headers)
    if taken:
        assert answer.status_code == 200, answer.text
    else:
        is_problem(answer, 415, "invalid_content_type")


async def test_the_largest_body_is_taken_and_one_byte_more_is_not(http: httpx.AsyncClient) -> None:
    body = b'{"number": 1}'
    full = body + b" " * (MAX_BODY_BYTES - len(body))
    assert MAX_BODY_BYTES == 256 * 1024
    assert (await http.post("/tallies/full", content=full)).status_code == 200
    is_problem(await http.post("/tallies/full", content=full + b" "), 413, "too_large")


async def test_who_asks_too_often_is_told_when_to_come_again(start: Start) -> None:
    # given a service that takes two requests at once, and one a second
    narrow = start("toy", HOLDFAST_RATE_LIMIT_PER_SECOND=1, HOLDFAST_RATE_LIMIT_BURST=2)
    await narrow.ready()
    async with httpx.AsyncClient(base_url=narrow.url, timeout=20) as http:
        for headers, status in ((as_actor("operator:op-1"), 200), (as_actor("buyer:b-1"), 403), ({}, 401)):
            answers = [await http.get("/dead-letters", headers=headers) for _ in range(12)]
            # then each has what there is for them, and is told how long to wait for more
            assert {answer.status_code for answer in answers} == {status, 429}
            assert [answer.status_code for answer in answers[:2]] == [status, status]
            for answer in answers:
                if answer.status_code == 429:
                    is_problem(answer, 429, "rate_limited")
                    assert int(answer.headers["retry-after"]) == 1
        # but for services, and for those who look whether it lives
        assert {(await http.get("/tallies/none", headers=SERVICE)).status_code for _ in range(12)} == {404}
        assert {(await http.get("/livez")).status_code for _ in range(12)} == {200}
