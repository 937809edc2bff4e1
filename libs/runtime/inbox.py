"""The inbox: which messages were handled already, told and remembered in the transaction of their effect."""

from collections.abc import Collection, Iterable
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
from asyncpg.pgproto.pgproto import UUID as QuickUUID

from runtime.db import Connection
from runtime.reads import Read

_ADMIT = "INSERT INTO inbox (id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING id"
_SEEN = (
    "SELECT id::text, NULL::bigint, NULL::json "
    "FROM (SELECT unnest($1::uuid[]) EXCEPT SELECT id FROM inserted) AS seen (id)"
)


def inbox_id(source: str, id: str) -> UUID:
    """The inbox's key of a message: its `ce_id` where that is a UUID, else a UUID made of source and id together,
    which is what CloudEvents calls the same event. The driver's own kind of UUID: the standard library's takes
    microseconds to make, to hash and to sort."""
    try:
        return QuickUUID(id)
    except ValueError:
        return QuickUUID(uuid5(NAMESPACE_URL, f"{source}\n{id}").bytes)


def admission(ids: Iterable[UUID]) -> Read:
    """Remembers `ids` and finds those that were seen before. Sorted, so that two batches that share ids (a rebalance's
    zombie and its successor) wait for one another in one direction only."""
    return Read(_SEEN, sorted(set(ids)), _ADMIT)


def ids(seen: Iterable[asyncpg.Record]) -> set[UUID]:
    """What an admission found."""
    return {QuickUUID(id) for _, id, _, _ in seen}


async def forget(connection: Connection, ids: Collection[UUID]) -> None:
    """Takes back ids admitted in this transaction, of messages that had no effect and are parked."""
    await connection.execute("DELETE FROM inbox WHERE id = ANY($1::uuid[])", list(ids))
