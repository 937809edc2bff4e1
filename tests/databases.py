"""Databases of a test's own, on the server that all tests share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

import asyncpg

from tests.servers import Postgres


@asynccontextmanager
async def fresh_database(postgres: Postgres, prefix: str = "test") -> AsyncIterator[str]:
    """The connection URL of an empty database; dropped at the end, whoever is still connected."""
    name = f"{prefix}_{uuid4().hex}"
    admin = await asyncpg.connect(postgres.dsn())
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
        yield postgres.dsn(name)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await admin.close()


@asynccontextmanager
async def fresh_databases(postgres: Postgres, *services: str) -> AsyncIterator[dict[str, str]]:
    """One for each of these services, by its name."""
    async with AsyncExitStack() as all_of_them:
        yield {name: await all_of_them.enter_async_context(fresh_database(postgres, name)) for name in services}
