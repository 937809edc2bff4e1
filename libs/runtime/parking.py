"""Dead letters park their key: the message that failed, and behind it, in order, all that came for its key since.

An operator replays (after a fix) or discards; either way the messages go down the one path, through the inbox.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from runtime import outbox
from runtime.columns import column, texts
from runtime.db import Connection
from runtime.delivery import NOWHERE, Delivery, Origin, RawRecord
from runtime.ids import new_id
from runtime.inbox import inbox_id
from runtime.outbox import OUTGOING, OutboxRow, Record
from runtime.reads import Read

_RawHeaders = tuple[tuple[str, bytes | None], ...]
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(_RawHeaders).decode

ERROR_MAX = 2_000
"""Characters of an error's text that are kept."""
COPY_MAX_BYTES = 512 * 1024
"""A larger message is copied to the dead-letter topic without its value and headers: with the reasons added, a copy of
one that just fitted its topic would not. The whole of it stays in the table."""


class Letter(NamedTuple):
    """What to park under the key `lane`: the message that failed, or one that waits behind it."""

    delivery: Delivery
    lane: str
    code: str
    error: str
    waiting: bool


def letter(delivery: Delivery, lane: str, error: Exception | None, *, behind: bool) -> Letter:
    """A letter for a delivery; `error` is why, if it failed itself."""
    if error is None:
        return Letter(delivery, lane, "behind", "an earlier message of this key is parked", True)
    text = f"{type(error).__name__}: {error}".replace("\0", "\\0").encode(errors="backslashreplace").decode()
    return Letter(delivery, lane, str(getattr(error, "code", "decision_raised")), text[:ERROR_MAX], behind)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked message as it stands in the table. The last three fields are None until it is replayed or discarded."""

    seq: int
    key: str
    message_id: UUID
    record: RawRecord
    status: str
    code: str
    error: str
    parked_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    reason: str | None


_STANDING = f"""
WITH found AS MATERIALIZED (SELECT key FROM parked_keys WHERE key = ANY({texts(1)})),
held AS MATERIALIZED (
    SELECT key FROM parked_keys WHERE key IN (SELECT key FROM found) ORDER BY key FOR UPDATE
)
SELECT key, (held.key IS NOT NULL)::int::bigint, NULL::json FROM found LEFT JOIN held USING (key)
"""


def standing(keys: Collection[str]) -> Read:
    """Which of these keys stand still. Locks their rows, so a replay in another replica is waited for: 1 where the key
    stands still behind that, 0 where the replay freed it."""
    return Read(_STANDING, column(list(keys)))


async def park(connection: Connection, letters: Sequence[Letter], now: datetime) -> list[Letter]:
    """Parks the letters' keys and appends the letters, in this order. Returns those that were not parked already."""
    await connection.execute(
        "INSERT INTO parked_keys (key, since) SELECT unnest($1::text[]), $2::timestamptz ON CONFLICT DO NOTHING",
        sorted({letter.lane for letter in letters}),
        now,
    )
    return [letter for letter in letters if await _append(connection, letter, now)]


async def _append(connection: Connection, letter: Letter, now: datetime) -> bool:
    delivery, record = letter.delivery, letter.delivery.record
    seq = await connection.fetchval(
        'INSERT INTO dead_letters (key, message_id, topic, partition, "offset", record_key, headers, value, status, '
        "code, error, parked_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (message_id) WHERE status IN ('failed', 'waiting') DO NOTHING RETURNING seq",
        letter.lane,
        delivery.id,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        _pack(tuple(record.headers)),
        record.value,
        "waiting" if letter.waiting else "failed",
        letter.code,
        letter.error,
        now,
    )
    return seq is not None


async def letters_of(connection: Connection, key: str, limit: int) -> list[DeadLetter]:
    """The first open letters of one key, in order; locks the key for this transaction."""
    await connection.execute("SELECT FROM parked_keys WHERE key = $1 FOR UPDATE", key)
    # Outgoing ones come first: they were decided before anything of their key that is still to be handled.
    rows = await connection.fetch(
        "SELECT * FROM dead_letters WHERE key = $1 AND status IN ('failed', 'waiting') "
        f'ORDER BY "offset" <> {OUTGOING}, seq LIMIT $2',
        key,
        limit,
    )
    return [_letter(row) for row in rows]


async def listing(connection: Connection, after: int, limit: int, key: str | None = None) -> list[DeadLetter]:
    """Open letters of all keys, or of one, with seq > `after`, in order, at most `limit`."""
    of_key = "" if key is None else " AND key = $3"
    rows = await connection.fetch(
        f"SELECT * FROM dead_letters WHERE status IN ('failed', 'waiting') AND seq > $1{of_key} ORDER BY seq LIMIT $2",
        *((after, limit) if key is None else (after, limit, key)),
    )
    return [_letter(row) for row in rows]


async def find(connection: Connection, seq: int) -> DeadLetter | None:
    """One letter, open or not."""
    row = await connection.fetchrow("SELECT * FROM dead_letters WHERE seq = $1", seq)
    return _letter(row) if row else None


async def resolve(
    connection: Connection, seqs: Collection[int], status: str, by: str, reason: str, now: datetime
) -> None:
    """Closes letters as `replayed` or `discarded`, and unparks their keys where nothing is left."""
    await connection.execute(
        "UPDATE dead_letters SET status = $2, resolved_at = $3, resolved_by = $4, reason = $5 WHERE seq = ANY($1)",
        list(seqs),
        status,
        now,
        by,
        reason,
    )
    await connection.execute(
        "DELETE FROM parked_keys AS p USING dead_letters AS d WHERE d.seq = ANY($1) AND p.key = d.key AND NOT EXISTS "
        "(SELECT FROM dead_letters AS o WHERE o.key = p.key AND o.status IN ('failed', 'waiting'))",
        list(seqs),
    )


async def set_aside(connection: Connection, row: OutboxRow, error: str) -> None:
    """Takes a row that the broker will not have out of the outbox, and parks its key: see `hold_back`."""
    await outbox.remove(connection, row)
    await _park_outgoing(connection, [row], "undeliverable", error)


async def hold_back(connection: Connection, rows: Sequence[OutboxRow]) -> list[OutboxRow]:
    """Those of the rows, just taken, that may be sent. The others are of keys with a row set aside: they are parked
    behind it, also where their transaction began before that and so did not find the key parked."""
    if held := [row for row in rows if row.held]:
        await _park_outgoing(connection, held, "behind", "")
    return [row for row in rows if not row.held]


async def _park_outgoing(connection: Connection, rows: Sequence[OutboxRow], code: str, error: str) -> None:
    letters = []
    for row in rows:
        record = RawRecord(row.topic, NOWHERE, OUTGOING, row.key, row.headers, row.value)
        delivery = Delivery(Origin.KAFKA, inbox_id("outbox", new_id()), record, "", lanes=(record.lane,))
        letters.append(Letter(delivery, record.lane, code, error[:ERROR_MAX], waiting=code == "behind"))
    now = await connection.fetchval("SELECT now()")
    await park(connection, letters, now)


async def fail(connection: Connection, seq: int, code: str, error: str) -> None:
    """A replay stopped at this letter: it is the failed one now."""
    await connection.execute(
        "UPDATE dead_letters SET status = 'failed', code = $2, error = $3 WHERE seq = $1", seq, code, error[:ERROR_MAX]
    )


def copy_for_topic(topic: str, letter: Letter, service: str, now: datetime) -> Record:
    """The letter as a record for the dead-letter topic: key, headers and value as they came, and why in headers
    that redrive tools know."""
    record = letter.delivery.record
    why: dict[str, Any] = {
        "kafka_dlt-original-topic": record.topic,
        "kafka_dlt-original-partition": record.partition,
        "kafka_dlt-original-offset": record.offset,
        "kafka_dlt-original-consumer-group": service,
        "kafka_dlt-exception-message": f"{letter.code}: {letter.error}"[:500],
        "holdfast-parked-key": letter.lane,
        "holdfast-parked-at": now.isoformat(),
    }
    key, value = record.key or letter.lane.encode(), record.value or b""
    headers = [(name, value if value is not None else b"") for name, value in record.headers]
    size = len(key) + len(value) + sum(len(name) + len(value) for name, value in headers)
    if size > COPY_MAX_BYTES:
        key, value, headers = letter.lane.encode(), b"", []
        why["holdfast-omitted-bytes"] = size
    headers += ((name, str(value).encode()) for name, value in why.items())
    return Record(topic, key, headers, value)


def _letter(row: asyncpg.Record) -> DeadLetter:
    record = RawRecord(
        row["topic"], row["partition"], row["offset"], row["record_key"], _unpack(row["headers"]), row["value"]
    )
    names = ("status", "code", "error", "parked_at", "resolved_at", "resolved_by", "reason")
    return DeadLetter(row["seq"], row["key"], row["message_id"], record, *(row[name] for name in names))
