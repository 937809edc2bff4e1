"""The inbox: which messages were handled already, told and remembered in the transaction of their effect."""

from collections.abc import Iterable
from uuid import NAMESPACE_URL, UUID, uuid5

from asyncpg.pgproto.pgproto import UUID as QuickUUID

from runtime.db import Connection


def inbox_id(source: str, id: str) -> UUID:
    """The inbox's key of a message: its `ce_id` where that is a UUID, else a UUID made of source and id together,
    which is what CloudEvents calls the same event. The driver's own kind of UUID: the standard library's takes
    microseconds to make, to hash and to sort."""
    try:
        return QuickUUID(id)
    except ValueError:
        return QuickUUID(uuid5(NAMESPACE_URL, f"{source}\n{id}").bytes)


async def admit(connection: Connection, ids: Iterable[UUID]) -> set[UUID]:
    """Remembers `ids` and returns those not seen before. Sorted, so that two batches that share ids (a rebalance's
    zombie and its successor) wait for one another in one direction only."""
    rows = await connection.fetch(
        "INSERT INTO inbox (id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING RETURNING id", sorted(set(ids))
    )
    return {row[0] for row in rows}


async def forget(connection: Connection, ids: Iterable[UUID]) -> None:
    """Takes back ids admitted in this transaction, of messages that had no effect and are parked."""
    await connection.execute("DELETE FROM inbox WHERE id = ANY($1::uuid[])", list(ids))
