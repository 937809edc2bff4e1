"""The outbox: messages that leave with the transaction that decided them, in the order it decided them.

A row holds as many of them as fit into a page: what a row costs is shared, by its messages.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from runtime.columns import column, rows
from runtime.db import Connection
from runtime.writes import Write

Headers = list[tuple[str, bytes]]

OUTGOING = -2
"""The offset of a dead letter that the broker would not have: it was decided, and is to be published, not handled."""

ROW_BYTES = 7_800
"""What a row holds and still fits into a page of 8 kB; a larger message has a row of its own."""
ROW_MESSAGES = 100
_HEADERS_BYTES = 420
"""About what the headers of a message take, packed: eleven of them, and a trace."""


class Record(NamedTuple):
    """A message before it has an outbox id."""

    topic: str
    key: bytes
    headers: Headers
    value: bytes


class OutboxRow(NamedTuple):
    """A message to publish: a ready Kafka record. `id` and `place` are its row and where it stands in it. `held` where
    an earlier one of its key was set aside: see `parking.hold_back`."""

    id: int
    topic: str
    key: bytes
    headers: Headers
    value: bytes
    held: bool = False
    place: int = 0


class Taken(NamedTuple):
    """`messages` of so many `rows`."""

    rows: int
    messages: list[OutboxRow]


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[Record]).decode
_unpack_headers = msgspec.msgpack.Decoder(Headers).decode

_INSERT = (
    "INSERT INTO outbox (messages, packed) "
    f"SELECT messages, packed FROM {rows({'messages': 'smallint'}, {'packed': 'unnest($2::bytea[])'})} AS n"
)


def writes(records: Sequence[Record]) -> list[Write]:
    """What adds records in this order. Only write them while the locks of the aggregates they come from are held, or
    with what makes these: that is what makes the order of ids the order of commits for each aggregate."""
    if not records:
        return []
    pages = list(_pages(records))
    return [Write(_INSERT, (column([len(page) for page in pages]), [_pack(page) for page in pages]))]


def _pages(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    first = size = 0
    for at, record in enumerate(records):
        more = len(record.value) + 2 * len(record.key) + _HEADERS_BYTES
        size += more
        if at > first and (size > ROW_BYTES or at - first == ROW_MESSAGES):
            yield records[first:at]
            first, size = at, more
    yield records[first:]


async def take(connection: Connection, limit: int) -> Taken:
    """Deletes the oldest `limit` rows and returns their messages, oldest first; commit only when they are published.
    Safe for order because a row that is not visible yet cannot belong before a visible one of the same aggregate (see
    `writes`); never replace it by a cursor over ids, which would lose rows that commit late."""
    found = await connection.fetch(
        "WITH taken AS (DELETE FROM outbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM outbox ORDER BY id LIMIT $1)) "
        "RETURNING id, packed, topic, key, headers, value) "
        "SELECT taken.*, (SELECT array_agg(record_key) FROM dead_letters "
        f"WHERE \"offset\" = {OUTGOING} AND status IN ('failed', 'waiting') AND record_key IS NOT NULL) AS held "
        "FROM taken",
        limit,
    )
    found.sort(key=lambda row: row[0])
    held = frozenset(found[0]["held"] or ()) if found else frozenset()
    messages = [
        OutboxRow(row["id"], topic, key, headers, value, key in held, place)
        for row in found
        for place, (topic, key, headers, value) in enumerate(_records(row))
    ]
    return Taken(len(found), messages)


def _records(row: Any) -> list[Record]:
    """What a row holds; one of the release before holds a single message, in columns of its own."""
    if row["packed"] is None:
        return [Record(row["topic"], row["key"], _unpack_headers(row["headers"]), row["value"])]
    return _unpack(row["packed"])


async def remove(connection: Connection, row: OutboxRow) -> None:
    """Takes one message out of its row, which nobody else has; the others stay where they are."""
    found = await connection.fetchrow("DELETE FROM outbox WHERE id = $1 RETURNING *", row.id)
    rest = [record for place, record in enumerate(_records(found)) if place != row.place]
    if rest:
        await connection.execute(
            "INSERT INTO outbox (id, messages, packed) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3)",
            row.id,
            len(rest),
            _pack(rest),
        )


async def sweep(connection: Connection) -> None:
    """Frees the space of rows that are gone, outside a transaction. Every `take` reads past what they left at the
    front of the index, and the server's own vacuum comes by once a minute: thousands of rows too late."""
    await connection.execute("VACUUM (TRUNCATE false, SKIP_LOCKED) outbox")
