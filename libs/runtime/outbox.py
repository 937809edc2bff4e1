"""The outbox: messages that leave with the transaction that decided them, in the order it decided them."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from runtime.db import Connection
from runtime.writes import Write

Headers = list[tuple[str, bytes]]

OUTGOING = -2
"""The offset of a dead letter that the broker would not have: it was decided, and is to be published, not handled."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Headers).decode


class OutboxRow(NamedTuple):
    """A message to publish: a ready Kafka record. `held` where an earlier one of its key was set aside: see
    `parking.hold_back`."""

    id: int
    topic: str
    key: bytes
    headers: Headers
    value: bytes
    held: bool = False


class Record(NamedTuple):
    """A message before it has an outbox id."""

    topic: str
    key: bytes
    headers: Headers
    value: bytes


def writes(records: Sequence[Record]) -> list[Write]:
    """What adds records in this order. Only write them while the locks of the aggregates they come from are held, or
    with what makes these: that is what makes the order of ids the order of commits for each aggregate."""
    if not records:
        return []
    sql = (
        "INSERT INTO outbox (topic, key, headers, value) "
        "SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])"
    )
    headers = [_pack(record.headers) for record in records]
    columns = [record.topic for record in records], [record.key for record in records], headers
    return [Write(sql, (*columns, [record.value for record in records]))]


async def take(connection: Connection, limit: int) -> list[OutboxRow]:
    """Deletes and returns the oldest rows, oldest first; commit only when they are published. Safe for order because
    a row that is not visible yet cannot belong before a visible one of the same aggregate (see `writes`); never
    replace it by a cursor over ids, which would lose rows that commit late."""
    rows = await connection.fetch(
        "WITH taken AS (DELETE FROM outbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM outbox ORDER BY id LIMIT $1)) "
        "RETURNING id, topic, key, headers, value) "
        "SELECT taken.*, key IN (SELECT record_key FROM dead_letters "
        f"WHERE \"offset\" = {OUTGOING} AND status IN ('failed', 'waiting') AND record_key IS NOT NULL) FROM taken",
        limit,
    )
    rows.sort(key=lambda row: row[0])
    return [OutboxRow(row[0], row[1], row[2], _unpack(row[3]), row[4], row[5]) for row in rows]


async def sweep(connection: Connection) -> None:
    """Frees the space of rows that are gone, outside a transaction. Every `take` reads past what they left at the
    front of the index, and the server's own vacuum comes by once a minute: thousands of rows too late."""
    await connection.execute("VACUUM (TRUNCATE false, SKIP_LOCKED) outbox")
