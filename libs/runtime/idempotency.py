"""Requests that may be sent again: under the same `Idempotency-Key` a command has its effect once, and its answer is
the same each time.

A key belongs to an actor and a path. The answer is written in the transaction of the effect, refusals included; what
had no answer of its own (a body that is no command, a key that is parked, a fault of ours, 429 and 503) is not kept,
and may be corrected or repeated under the same key. Another body under a key that has its answer is refused.

Answers are kept for days (`answers_kept_days`, longer than an order lives) and then dropped. What is known after that
is that the command was handled: `done_before`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from contracts.message import Actor
from runtime.db import Connection
from runtime.decision import Refused
from runtime.fold import Done, Refusal
from runtime.watches import Reading, Watch
from runtime.writes import Write

MAX_KEY = 255
TIDY_EVERY = 3600.0
_AT_ONCE = 10_000
"""Old answers dropped in one statement, so that no lock is held long."""


_KEEP = (
    "INSERT INTO answers (id, request, answer) SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::json[]) "
    "ON CONFLICT (id) DO UPDATE SET request = excluded.request, answer = excluded.answer, at = excluded.at"
)
_DROP_OLD = """
DELETE FROM answers WHERE id = ANY(ARRAY(SELECT id FROM answers WHERE at < now() - $1::interval LIMIT $2))
"""


class Kept(NamedTuple):
    """An answer, and the digest of the request that had it."""

    request: bytes
    answer: Done | Refusal


def command_id(path: str, actor: Actor, key: str) -> UUID:
    """The id under which a keyed command is handled. Raises `Refused`: invalid_idempotency_key."""
    if not 0 < len(key) <= MAX_KEY:
        raise Refused("invalid_idempotency_key", f"Idempotency-Key has 1 to {MAX_KEY} characters")
    # Never change this: it is how a request that comes again is known.
    return uuid5(NAMESPACE_URL, f"{path}\n{actor.role}:{actor.id}\n{key}")


def digest(fields: Mapping[str, Any]) -> bytes:
    """What tells one body from another, whatever the order of its members and the space between them."""
    return sha256(msgspec.json.encode(fields, order="sorted")).digest()[:16]


@contextmanager
def in_flight(under_way: set[UUID], id: UUID) -> Iterator[None]:
    """Holds `id` while its request is answered. Raises `Refused` (request_in_flight) while another one holds it.
    Between replicas the inbox does this: the second waits for the first, and has its answer."""
    if id in under_way:
        raise Refused(
            "request_in_flight", "a request under this Idempotency-Key is being handled; ask again for its end"
        )
    under_way.add(id)
    try:
        yield
    finally:
        under_way.discard(id)


def reused() -> Refusal:
    """The answer to another body under a key that was used."""
    return Refusal(
        "idempotency_key_reused", "this Idempotency-Key was used for another body; give a new request its own"
    )


class _Row(msgspec.Struct, omit_defaults=True):
    """An answer as it is stored: that of a command that was done has a version and no code."""

    version: int | None = None
    note: str = ""
    code: str = ""
    reason: str = ""


_rows = msgspec.json.Decoder(_Row)


def writes(answers: Sequence[tuple[UUID, Kept]]) -> list[Write]:
    """What keeps answers, in the transaction of their effects."""
    if not answers:
        return []
    told = [msgspec.json.encode(_row(kept.answer)).decode() for _, kept in answers]
    return [Write(_KEEP, ([id for id, _ in answers], [kept.request for _, kept in answers], told))]


async def find(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Kept]:
    """The answers that are kept for these commands."""
    rows = await connection.fetch("SELECT id, request, answer FROM answers WHERE id = ANY($1::uuid[])", list(ids))
    return {row[0]: Kept(row[1], _answer(_rows.decode(row[2]))) for row in rows}


def _row(answer: Done | Refusal) -> _Row:
    if isinstance(answer, Done):
        return _Row(version=answer.version, note=answer.note)
    return _Row(version=answer.version, code=answer.code, reason=answer.reason)


def _answer(row: _Row) -> Done | Refusal:
    if row.code:
        return Refusal(row.code, row.reason, row.version)
    return Done(row.version or 0, None, row.note)


def tidying(days: int) -> Watch:
    """Drops answers that are older than so many days of real time, some at a time."""

    async def tidy(connection: Connection) -> Sequence[Reading]:
        dropped = f"DELETE {_AT_ONCE}"
        while dropped == f"DELETE {_AT_ONCE}":
            dropped = await connection.execute(_DROP_OLD, timedelta(days=days), _AT_ONCE)
        return ()

    return Watch("answers", TIDY_EVERY, (), tidy)
