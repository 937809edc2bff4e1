"""Routes of a service with a book: a provider's daily statements compared with it, and what was found."""

from datetime import date, datetime
from typing import Annotated, Any, Protocol

import asyncpg
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from contracts.message import Actor, Id, Role
from contracts.statement import Statement
from runtime.access import actor_of
from runtime.decision import Refused
from runtime.http import body_of, shows


class Desk(Protocol):
    """Who compares. `shown`: the type of what both methods answer with; `statement`: what OpenAPI says of a
    statement's body; `most_bytes` of it, and `page_limit` differences a page."""

    @property
    def shown(self) -> type[BaseModel]: ...
    @property
    def statement(self) -> dict[str, Any]: ...
    @property
    def most_bytes(self) -> int: ...
    @property
    def page_limit(self) -> int: ...

    async def open(self, body: bytes) -> Statement:
        """Raises ValueError with what is wrong with the statement."""

    async def compare(
        self, connection: asyncpg.Connection, statement: Statement, *, now: datetime, by: str
    ) -> dict[str, Any]: ...

    async def read(
        self, connection: asyncpg.Connection, provider: str, day: date, *, after: int, limit: int
    ) -> dict[str, Any] | None:
        """None if the day was never compared."""


def reconciliations(desk: Desk) -> APIRouter:
    """`POST /reconciliations` and `GET /reconciliations/{day}`, for operators and services."""
    router = APIRouter()

    @router.post("/reconciliations", **shows(desk.shown), openapi_extra=desk.statement)
    async def compare_statement(request: Request) -> dict[str, Any]:
        """Compares a provider's daily statement with this book, keeps the result and answers with it, as the read does.
        The same statement against the same book is the same revision; a corrected statement, or a book that has moved
        on since, supersedes it and leaves it in `history`. Operators and services only; a statement may have 64 MiB."""
        clerk = await _clerk(request)
        body = await body_of(request, desk.most_bytes)
        try:
            statement = await desk.open(body)
        except ValueError as error:
            raise Refused("invalid_data", str(error)) from None
        async with request.app.state.pool.acquire() as connection:
            now = request.app.state.clock.now()
            return await desk.compare(connection, statement, now=now, by=f"{clerk.role}:{clerk.id}")

    @router.get("/reconciliations/{day}", **shows(desk.shown))
    async def read_reconciliation(
        request: Request,
        day: date,
        provider: Id,
        after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
        limit: Annotated[int, Query(ge=1, le=desk.page_limit)] = desk.page_limit,
    ) -> dict[str, Any]:
        """What is known of a provider's day: totals by currency, causes counted, and differences behind position
        `after`, each with what to do. Go on with `after` = `next` until it is null."""
        await _clerk(request)
        async with request.app.state.pool.acquire() as connection:
            found = await desk.read(connection, provider, day, after=after, limit=limit)
        if found is None:
            raise Refused(
                "not_found", "no statement of this provider and day was compared; post it to /reconciliations"
            )
        return found

    return router


async def _clerk(request: Request) -> Actor:
    actor = await actor_of(request)
    if actor.role not in (Role.OPERATOR, Role.SERVICE):
        raise Refused("forbidden", "only operators and services compare statements")
    return actor
