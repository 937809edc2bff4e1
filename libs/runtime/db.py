"""The type of a database connection, taken from a pool or not, and how a pool takes it back."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    from asyncpg import Connection, Pool

__all__ = ["Connection", "Pool", "as_it_is"]


async def as_it_is(connection: Connection) -> None:
    """How a pool takes a connection back: every transaction was ended, and no session is ever given a state of its own,
    so there is nothing to reset, which would be one more round trip a batch."""
