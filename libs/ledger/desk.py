"""Where a provider's statements are compared with one service's book: what the service's HTTP is wired to."""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

import asyncpg
from pydantic import BaseModel

from contracts.statement import Statement
from ledger.shapes import ReconciliationShown
from ledger.statements import (
    MAX_STATEMENT_BYTES,
    PAGE_LIMIT,
    STATEMENT_BODY,
    BookOf,
    read_statement,
    reconcile,
    reconciliation,
)


@dataclass(frozen=True)
class Desk:
    """One book's. `shown`: the type of what both methods answer with; `statement`: what OpenAPI says of a statement's
    body; `most_bytes` of it, and `page_limit` differences a page."""

    book: BookOf

    shown: ClassVar[type[BaseModel]] = ReconciliationShown
    statement: ClassVar[dict[str, Any]] = STATEMENT_BODY
    most_bytes: ClassVar[int] = MAX_STATEMENT_BYTES
    page_limit: ClassVar[int] = PAGE_LIMIT

    async def open(self, body: bytes) -> Statement:
        """The statement that was sent. Raises ValueError with what is wrong with it."""
        return await asyncio.to_thread(read_statement, body)

    async def compare(
        self, connection: asyncpg.Connection, statement: Statement, *, now: datetime, by: str
    ) -> dict[str, Any]:
        """Compares, keeps the result and returns it."""
        return await reconcile(connection, statement, self.book, now=now, by=by)

    async def read(
        self, connection: asyncpg.Connection, provider: str, day: date, *, after: int, limit: int
    ) -> dict[str, Any] | None:
        """What is known of a provider's day, None if it was never compared."""
        return await reconciliation(connection, provider, day, after=after, limit=limit)
