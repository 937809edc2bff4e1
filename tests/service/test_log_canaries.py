"""No log line holds a secret or what tells who a person is: canaries are planted wherever either may enter a service,
and looked for in everything it wrote, at the most talkative level."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import pytest

from holdfast.embedded.ports import free_port
from tests.access import as_actor
from tests.access import environment as environment_of_tokens
from tests.chaos.process import Process
from tests.servers import Kafka, Postgres
from tests.signing import SENDERS, signed
from tests.toy import toy
from tests.toy.parts import add, client, fresh_topics
from tests.waiting import eventually

PASSWORD = "canary-password-1"
CARD, CARD_SPACED = "4111111111111111", "5500 0000 0000 0004"
EMAIL = "canary.person@example.org"
STREET = "17 Canary Wharf Mews"
PHONE = "+44 20 7946 0958"
NAME = "Cassandra Canary"
FORGED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LXNpZ25hdHVyZQ"
KEY = "canary-idempotency-key-1"
CANARIES = (PASSWORD, CARD, CARD_SPACED, EMAIL, STREET, PHONE, NAME, FORGED, KEY, SENDERS.split("whsec_")[1][:20])
PERSON = {"name": NAME, "email": EMAIL, "address": {"street": STREET, "phone": PHONE}, "card_number": CARD}

FRESH = httpx.Limits(max_keepalive_connections=0)
"""A connection a request: one that is kept may be closed by the service in the moment it is used again."""


@pytest.fixture
async def role(postgres: Postgres) -> AsyncIterator[str]:
    """The address of a fresh database, with a password in it."""
    name = f"canary_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(postgres.dsn())
    await admin.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'")
    await admin.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    yield f"postgresql://{name}:{PASSWORD}@127.0.0.1:{postgres.port}/{name}"
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.execute(f'DROP ROLE "{name}"')
    await admin.close()


@pytest.fixture
async def service(role: str, kafka: Kafka, tmp_path: Path) -> AsyncIterator[Process]:
    await fresh_topics(kafka.bootstrap)
    port = free_port()
    environment = {
        "HOLDFAST_DATABASE_URL": role,
        "HOLDFAST_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "HOLDFAST_ENVIRONMENT": "test",
        "HOLDFAST_PORT": str(port),
        "HOLDFAST_LOG_LEVEL": "debug",
        "HOLDFAST_WEBHOOK_SECRETS": SENDERS,
        "HOLDFAST_OTLP_ENDPOINT": f"http://collector:{PASSWORD}@127.0.0.1:{free_port()}",
        **environment_of_tokens(),
    }
    one = Process("toy", ["toy"], environment, port, tmp_path / "toy.log")
    try:
        yield await one.ready(within=60)
    finally:
        await one.reap()


async def by_http(url: str) -> None:
    """Everything a request has room for, from callers who are let in and callers who are not."""
    service = as_actor("service:tests")
    async with httpx.AsyncClient(base_url=url, timeout=20, limits=FRESH) as http:
        for headers in (service, {"Authorization": f"Bearer {FORGED}"}, {"Cookie": f"session={PASSWORD}"}):
            more = {"Idempotency-Key": KEY, "User-Agent": f"shop of {EMAIL}", "Referer": f"https://x/?card={CARD}"}
            for body in (
                json.dumps({"number": 1, **PERSON}),
                json.dumps({"number": CARD_SPACED}),
                json.dumps([PERSON]),
                f'{{"number": 1, "name": "{NAME}", broken',
            ):
                await http.post("/tallies/a", content=body, headers=headers | more)
            await http.get(f"/tallies/{EMAIL}", params={"card": CARD, "token": FORGED}, headers=headers | more)
            await http.get("/tallies/a", params={"street": STREET, "name": NAME}, headers=headers | more)
        # what the decision and the database choke on
        await http.post("/tallies/b", json={"number": toy.POISON}, headers=service)
        await http.post("/tallies/b", json={"number": toy.FORBIDDEN_BY_DATABASE}, headers=service)
        hook = json.dumps({"specversion": "1.0", "id": NAME, "source": EMAIL, "type": "x", "data": PERSON})
        structured = {"content-type": "application/cloudevents+json"}
        await http.post("/webhooks", content=hook, headers={**structured, **signed(hook)})
        await http.post("/webhooks", content=hook, headers={**structured, "webhook-signature": f"v1,{PASSWORD}"})


async def by_kafka(bootstrap: str) -> None:
    """Records that are refused, passed over and parked, with canaries in key, headers and value."""
    good = [("ce_specversion", b"1.0"), ("ce_id", b"c-1"), ("ce_source", EMAIL.encode()), ("ce_type", b"toy.add.v1")]
    person = json.dumps({"tally": "a", "number": STREET, "actor": PERSON}).encode()
    async with client(bootstrap) as other:
        await other.send_raw("toy.commands.v1", b"a", person, good)
        await other.send_raw("toy.commands.v1", EMAIL.encode(), person, [("ce_id", CARD.encode())])
        await other.send_raw("toy.commands.v1", b"a", person, [*good[:3], ("ce_type", f"toy.{NAME}".encode())])
        await other.send_raw("toy.commands.v1", b"c", b"\xff" + NAME.encode(), [*good, ("x-token", FORGED.encode())])
        await other.send_raw("toy.commands.v1", b"c", person, [*good, ("ce_subject", f"{NAME}\n".encode())])
        await other.send(add("d", toy.POISON), add("d", toy.FORBIDDEN_BY_DATABASE), add("e", toy.FORBIDDEN_BY_DATABASE))
        await other.send(add("last", 1))


async def test_no_line_of_the_log_holds_a_canary(service: Process, kafka: Kafka) -> None:
    # given every way in, used for what it must not tell
    await by_http(service.url)
    await by_kafka(kafka.bootstrap)
    await eventually(lambda: service.logged("parked") >= 2, within=60)
    await eventually(lambda: service.logged("spans_not_exported"), within=60)
    # when an operator looks at what was parked, which shows it to them and not to the log
    async with httpx.AsyncClient(base_url=service.url, headers=as_actor("operator:op-1"), limits=FRESH) as http:
        letters = (await http.get("/dead-letters")).json()["letters"]
        for letter in letters:
            await http.get(f"/dead-letters/{letter['seq']}")
            await http.post(f"/dead-letters/{letter['key']}/replay", json={"reason": f"for {EMAIL}", "dry_run": True})
    assert await service.terminate() == 0
    # then the log has what an operator needs, as JSON, and none of the canaries
    lines = service.log.read_text(errors="replace").splitlines()
    assert len(lines) > 20
    assert {"started", "parked", "command_failed"} <= {json.loads(line)["event"] for line in lines}
    for canary in CANARIES:
        assert [line for line in lines if canary in line or json.dumps(canary)[1:-1] in line] == [], canary
    assert [line for line in lines if "Failing row" in line] == []
