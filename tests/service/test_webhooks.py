"""The webhook endpoint of a service that runs: what a sender signed has its effect once; whatever is forged, unsigned,
outdated, replayed or of another sender has none, is answered by a problem with a code, and tells nobody a secret."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from standardwebhooks import Webhook

from holdfast.embedded.ports import free_port
from runtime.signatures import key_of, new_secret, sign
from tests.access import as_actor
from tests.access import environment as environment_of_tokens
from tests.chaos.process import Process
from tests.databases import fresh_database
from tests.servers import Kafka, Postgres
from tests.signing import SECRETS, SENDERS, signed
from tests.toy.parts import fresh_topics

STRUCTURED = {"content-type": "application/cloudevents+json"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
ROTATED = new_secret()


@pytest.fixture(scope="module")
async def environment(postgres: Postgres, kafka: Kafka) -> AsyncIterator[dict[str, str]]:
    """Of a process of the mirror that believes two senders, the carrier by two secrets."""
    await fresh_topics(kafka.bootstrap)
    async with fresh_database(postgres) as url:
        yield {
            "HOLDFAST_DATABASE_URL": url,
            "HOLDFAST_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_LOG_LEVEL": "debug",
            "HOLDFAST_WEBHOOK_SECRETS": f"{SENDERS} carrier={ROTATED}",
            **environment_of_tokens(),
        }


def process(environment: dict[str, str], log: Path, **more: str) -> Process:
    port = free_port()
    return Process("mirror", ["mirror"], environment | {"HOLDFAST_PORT": str(port)} | more, port, log)


@pytest.fixture(scope="module")
async def mirror(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    running = process(environment, tmp_path_factory.mktemp("webhooks") / "mirror.log")
    yield await running.ready()
    await running.reap()


@pytest.fixture
async def http(mirror: Process) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=mirror.url, timeout=20) as one:
        yield one


def parcel(reference: str, number: str = "TN-1", id: str = "") -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": id or str(uuid4()),
        "source": "carrier",
        "type": "carrier.parcel_delivered.v1",
        "subject": reference,
        "data": {"reference": reference, "tracking_number": number, "delivered_at": "2026-01-31T12:00:00Z"},
    }


async def post(http: httpx.AsyncClient, content: str, headers: Any) -> tuple[int, str]:
    """Status and code of the answer."""
    answer = await http.post("/webhooks", content=content, headers=STRUCTURED | dict(headers))
    return answer.status_code, answer.json()["code"] if answer.content else ""


async def seen(http: httpx.AsyncClient, reference: str) -> list[str]:
    """What the service heard of this parcel."""
    answer = await http.get(f"/seen/{reference}", headers=as_actor("service:tests"))
    if answer.status_code == 404:
        return []
    heard: list[str] = answer.json()["parcels"]
    return heard


async def test_what_is_signed_by_any_secret_of_its_sender_is_taken_without_a_token(http: httpx.AsyncClient) -> None:
    for number, secret in enumerate((SECRETS["carrier"], ROTATED)):
        event = json.dumps(parcel("signed", f"TN-{number}"))
        headers = signed(event) if number == 0 else sign([key_of(secret)], "msg_rotated", _now(), event.encode())
        assert await post(http, event, headers) == (204, "")
    assert await seen(http, "signed") == ["TN-0", "TN-1"]


async def test_the_reference_implementation_is_a_sender_as_good(http: httpx.AsyncClient) -> None:
    event, now = json.dumps(parcel("reference")), datetime.now(UTC)
    headers = {
        "webhook-id": "msg_reference",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRETS["carrier"]).sign("msg_reference", now, event),
    }
    assert await post(http, event, headers) == (204, "")
    assert await seen(http, "reference") == ["TN-1"]


async def test_whatever_is_not_signed_now_by_its_sender_has_no_effect(http: httpx.AsyncClient) -> None:
    event, other = json.dumps(parcel("attacked")), json.dumps(parcel("attacked", "TN-2"))
    good = signed(event)
    attempts = {
        "unsigned": ({}, (401, "webhook_unsigned")),
        "half signed": ({**good, "webhook-id": ""}, (401, "webhook_unsigned")),
        "of a stranger": (sign([b"x" * 32], "msg_x", _now(), event.encode()), (401, "webhook_forged")),
        "another body's": (signed(other), (401, "webhook_forged")),
        "another time's": ({**good, "webhook-timestamp": str(_now() + 1)}, (401, "webhook_forged")),
        "old": (signed(event, age=301), (401, "webhook_out_of_time")),
        "of tomorrow": (signed(event, age=-330), (401, "webhook_out_of_time")),
        "of another sender": (signed(event, "payments"), (403, "webhook_sender_forbidden")),
    }
    for name, (headers, answer) in attempts.items():
        assert await post(http, event, headers) == answer, name
    assert await seen(http, "attacked") == []


async def test_a_problem_is_a_problem_document(http: httpx.AsyncClient) -> None:
    answer = await http.post("/webhooks", content=b"[]", headers=BATCH)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith("webhook_unsigned") and "webhook-signature" in answer.json()["detail"]


async def test_a_replay_has_no_effect_and_is_answered_as_the_first_time(http: httpx.AsyncClient) -> None:
    event = json.dumps(parcel("replayed"))
    headers = STRUCTURED | dict(signed(event, id="msg_replayed"))
    first = await http.post("/webhooks", content=event, headers=headers)
    again = await http.post("/webhooks", content=event, headers=headers)
    assert [(one.status_code, one.headers.get("webhook-replayed")) for one in (first, again)] == [
        (204, None),
        (204, "true"),
    ]
    # sent again by its sender, signed anew under its id
    assert await post(http, event, signed(event, id="msg_replayed")) == (204, "")
    assert await seen(http, "replayed") == ["TN-1"]


async def test_an_id_used_for_something_else_is_refused(http: httpx.AsyncClient) -> None:
    first, second = json.dumps(parcel("reused")), json.dumps(parcel("reused", "TN-2"))
    assert await post(http, first, signed(first, id="msg_reused")) == (204, "")
    assert await post(http, second, signed(second, id="msg_reused")) == (409, "webhook_id_reused")
    assert await post(http, second, signed(second)) == (204, "")
    assert await seen(http, "reused") == ["TN-1", "TN-2"]


async def test_a_webhook_that_was_refused_may_be_put_right_under_its_id(http: httpx.AsyncClient) -> None:
    bad, good = json.dumps(parcel("corrected") | {"data": {}}), json.dumps(parcel("corrected"))
    assert await post(http, bad, signed(bad, id="msg_corrected")) == (422, "invalid_data")
    assert await post(http, good, signed(good, id="msg_corrected")) == (204, "")
    assert await seen(http, "corrected") == ["TN-1"]


async def test_the_same_event_in_many_webhooks_at_once_has_one_effect(http: httpx.AsyncClient) -> None:
    event = json.dumps(parcel("many"))
    answers = await asyncio.gather(*(post(http, event, signed(event)) for _ in range(40)))
    assert set(answers) == {(204, "")}
    assert await seen(http, "many") == ["TN-1"]


async def test_a_process_that_forgot_what_it_saw_is_not_fooled_by_a_replay(
    environment: dict[str, str], http: httpx.AsyncClient, tmp_path: Path
) -> None:
    event = json.dumps(parcel("forgotten"))
    headers = signed(event)
    assert await post(http, event, headers) == (204, "")
    other = await process(environment, tmp_path / "other.log").ready()
    try:
        async with httpx.AsyncClient(base_url=other.url, timeout=20) as its:
            assert await post(its, event, headers) == (204, "")
    finally:
        await other.reap()
    assert await seen(http, "forgotten") == ["TN-1"]


async def test_a_service_without_secrets_takes_none(environment: dict[str, str], tmp_path: Path) -> None:
    closed = await process(environment, tmp_path / "closed.log", HOLDFAST_WEBHOOK_SECRETS="").ready()
    try:
        async with httpx.AsyncClient(base_url=closed.url, timeout=20) as http:
            event = json.dumps(parcel("closed"))
            for headers in ({}, signed(event)):
                assert await post(http, event, headers) == (503, "webhooks_not_configured")
    finally:
        await closed.reap()


async def test_nothing_of_a_secret_or_a_signature_is_logged(mirror: Process, http: httpx.AsyncClient) -> None:
    event = json.dumps(parcel("logged"))
    stale = signed(event, age=400)
    await post(http, event, stale)
    await post(http, event, {**stale, "webhook-timestamp": str(_now())})
    text = mirror.log.read_text()
    assert "webhook_out_of_time" in text and "webhook_forged" in text
    for secret in (*SECRETS.values(), ROTATED, stale["webhook-signature"]):
        assert secret.removeprefix("whsec_") not in text


def _now() -> int:
    return int(time.time())
