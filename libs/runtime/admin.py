"""What every service offers to operators: health, metrics, dead letters; and, in development, its progress."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from contracts.message import Actor, Role
from runtime import census, watches
from runtime.access import actor_of
from runtime.db import Connection
from runtime.decision import Refused
from runtime.http import json_of
from runtime.ids import new_id
from runtime.metrics import Metrics
from runtime.parking import DeadLetter
from runtime.pump import TRANSIENT

router = APIRouter()
development = APIRouter()

LIFE = new_id()
"""Tells one life of the process from the next, which knows nothing of what the one before it published."""


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers. Says nothing about database or broker."""
    return {"status": "alive"}


@router.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether work gets done, not only whether others are reached: 200, or 503 with what is wrong. What stands still is
    named with how long it did (`progress.py`); far behind is not wrong while something moves."""
    wrong = await _faults(request)
    return JSONResponse({"status": "waiting" if wrong else "ready", "wrong": wrong}, 503 if wrong else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text; gauges are read now, at most once a second."""
    running = request.app.state.running
    told: Metrics = running.metrics
    if running.pool and told.due(asyncio.get_running_loop().time()):
        told.set_stalled(running.stalled())
        told.set(_known(running))
        with suppress(*TRANSIENT):  # the rest is worth having while the database is away
            async with running.pool.acquire(timeout=2) as connection:
                told.set(await _counted(connection, running.clock.now()))
                told.set_instances(await census.read(connection))
                told.set_watched(await watches.kept(connection))
    return Response(told.text(), media_type="text/plain; version=0.0.4")


@router.get("/dead-letters")
async def dead_letters(
    request: Request, after: int = 0, limit: int = 100, key: Annotated[str | None, Query(max_length=300)] = None
) -> dict[str, Any]:
    """Open letters of all keys, or of one, oldest first; `limit` 1 to 500. Go on with `after` = `next` until null."""
    await _operator(request)
    if not 1 <= limit <= 500:
        raise Refused("invalid_limit", "limit is 1 to 500")
    letters = await _parts(request).dead_letters.listing(after, limit, key)
    return {
        "letters": [_summary(letter) for letter in letters],
        "next": letters[-1].seq if len(letters) == limit else None,
    }


@router.get("/dead-letters/{seq}")
async def dead_letter(request: Request, seq: int) -> dict[str, Any]:
    """One letter, whole, open or not: what the list tells and the message as it came, its value as text, or in base64
    where it is none."""
    await _operator(request)
    letter = await _parts(request).dead_letters.one(seq)
    value, encoding = _legible(letter.record.value)
    return {
        **_summary(letter),
        "record_key": _escaped(letter.record.key),
        "headers": [[name, _escaped(content)] for name, content in letter.record.headers],
        "value": value,
        "value_encoding": encoding,
        "resolved_at": letter.resolved_at.isoformat() if letter.resolved_at else None,
        "resolved_by": letter.resolved_by,
        "reason": letter.reason,
    }


@router.post("/dead-letters/{key:path}/replay")
async def replay(request: Request, key: str) -> dict[str, Any]:
    """Body `{"reason": "…", "dry_run": true}`; a dry run is the default."""
    operator = await _operator(request)
    body = await json_of(request)
    done = await _parts(request).dead_letters.replay(
        key, operator.id, _reason(body), dry_run=body.get("dry_run", True) is not False
    )
    return {"key": done.key, "dry_run": done.dry_run, "letters": done.letters, "left": done.left}


@router.post("/dead-letters/{key:path}/discard")
async def discard(request: Request, key: str) -> dict[str, Any]:
    """Body `{"reason": "…", "seq": N}`: gives up the first letter of the key."""
    operator = await _operator(request)
    body = await json_of(request)
    seq = body.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise Refused("invalid_seq", "say which letter: its seq, a whole number")
    left = await _parts(request).dead_letters.discard(key, seq, operator.id, _reason(body))
    return {"key": key, "discarded": seq, "left": left}


@development.get("/dev/progress")
async def progress(request: Request) -> Response:
    """Whether the service is quiet: offsets published and handled, what is left in the outbox, the next timer."""
    running = _parts(request)
    # Handled first, published last, outbox and timers in one snapshot between them: whatever a message or a timer set
    # going is seen in one of these places, wherever it has got to.
    handled = dict(running.intake.handled) if running.intake else {}
    outbox, due = await running.pool.fetchrow(
        "SELECT (SELECT coalesce(sum(messages), 0) FROM outbox), (SELECT min(due_at) FROM timers)"
    )
    told = {
        "service": running.service.name,
        "life": LIFE,
        "ready": running.starting == "",
        "produced": {f"{topic}/{part}": end for (topic, part), end in running.kafka_sender.produced.items()},
        "handled": {f"{topic}/{part}": end for (topic, part), end in handled.items()},
        "topics": running.service.topics,
        "outbox": outbox,
        "next_timer": due.isoformat() if due else None,
        "now": running.clock.now().isoformat(),
    }
    # Asked some hundred times a second by whoever drives the clock: encoded here, past the framework.
    return Response(msgspec.json.encode(told), media_type="application/json")


def _summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "seq": letter.seq,
        "key": letter.key,
        "topic": letter.record.topic,
        "partition": letter.record.partition,
        "offset": letter.record.offset,
        "status": letter.status,
        "code": letter.code,
        "error": letter.error,
        "parked_at": letter.parked_at.isoformat(),
    }


def _escaped(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")


def _legible(value: bytes | None) -> tuple[str | None, str | None]:
    """The value and how it is written."""
    if value is None:
        return None, None
    try:
        return value.decode(), "utf-8"
    except UnicodeDecodeError:
        return b64encode(value).decode(), "base64"


async def _operator(request: Request) -> Actor:
    actor = await actor_of(request)
    if actor.role is not Role.OPERATOR:
        raise Refused("forbidden", "only operators see and move dead letters")
    return actor


def _reason(body: dict[str, Any]) -> str:
    reason = body.get("reason")
    if not isinstance(reason, str) or not 3 <= len(reason) <= 500:
        raise Refused("invalid_reason", "give a reason of 3 to 500 characters; it is kept")
    return reason


def _parts(request: Request) -> Any:
    running = request.app.state.running
    if running.pool is None or running.dead_letters is None:
        raise Refused("unavailable", f"the service waits for its {running.starting}")
    return running


async def _faults(request: Request) -> list[str]:
    running = request.app.state.running
    if running.stopping:
        return ["stopping"]
    if running.starting:
        return [f"waiting for {running.starting}: {running.start_fault}"]
    wrong = []
    if running.pump.fault:
        wrong.append(f"pump: {running.pump.fault}")
    if running.relay.fault:
        wrong.append(f"relay: {running.relay.fault}")
    if not running.intake.assigned():
        wrong.append("consumer: no partitions assigned yet")
    wrong += [f"{part}: {what}" for part, what in running.stalled().items()]
    wrong += await running.probe()
    return wrong


def _known(running: Any) -> dict[str, float]:
    intake = running.intake
    return {
        "consumer_lag_messages": intake.lag() if intake else 0,
        "consumer_lag_seconds": intake.lag_seconds() if intake else 0,
        "consumer_partitions": len(intake.assigned()) if intake else 0,
        "relay_leading": bool(running.relay and running.relay.leading),
    }


_COUNTED = """
SELECT
    (SELECT coalesce(sum(messages), 0) FROM (SELECT messages FROM outbox LIMIT 100000) AS found) AS outbox_rows,
    (SELECT extract(epoch FROM now() - at) FROM outbox ORDER BY id LIMIT 1) AS outbox_oldest_age_seconds,
    (SELECT count(*) FROM (SELECT FROM timers WHERE due_at < $1 LIMIT 100000) AS found) AS timers_overdue,
    (SELECT extract(epoch FROM $1 - min(due_at)) FROM timers WHERE due_at < $1) AS timers_overdue_age_seconds,
    (SELECT count(*) FROM parked_keys) AS parked_keys,
    (SELECT count(*) FROM (SELECT FROM dead_letters WHERE status IN ('failed', 'waiting') LIMIT 100000) AS found)
        AS dead_letters,
    (SELECT extract(epoch FROM $1 - min(since)) FROM parked_keys) AS parked_keys_oldest_age_seconds
"""
# Limits keep a scrape quick when things are at their worst, which is when it matters.


async def _counted(connection: Connection, now: datetime) -> dict[str, float]:
    row = await connection.fetchrow(_COUNTED, now, timeout=2)
    assert row is not None
    return {name: float(value or 0) for name, value in row.items()}
