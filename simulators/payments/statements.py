"""HTTP of the daily statement: `GET /statements/{day}`, and what was planted into it."""

from datetime import date, timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import TypeAdapter

from contracts.message import Role
from contracts.statement import Statement, StatementEntry
from runtime.access import actor_of
from runtime.decision import Refused
from simulators.faults import Faults
from simulators.payments.planting import Planted, with_differences
from simulators.payments.repository import midnight, moved_on

PROVIDER = "payments"

_planted = TypeAdapter(list[Planted])


def statements(faults: Faults) -> APIRouter:
    """The routes, of a provider whose statements have these faults."""
    router = APIRouter()

    @router.get("/statements/{day}", response_model=Statement)
    async def read_statement(request: Request, day: date) -> Response:
        """Everything booked on a day (UTC) that is over, in the order it was; the same whenever it is read."""
        stated, _ = await _told(request, day)
        told = Statement(provider=PROVIDER, day=day, closed_at=midnight(day + timedelta(days=1)), entries=tuple(stated))
        return Response(told.model_dump_json(), media_type="application/json")

    @router.get("/statements/{day}/planted", response_model=list[Planted])
    async def read_planted(request: Request, day: date) -> Response:
        """What is wrong with the statement of this day, as the simulator knows. Not in production."""
        if request.app.state.running.settings.environment == "production":
            raise Refused("not_found", "no provider tells what is wrong with its statements")
        _, planted = await _told(request, day)
        return Response(_planted.dump_json(planted), media_type="application/json")

    async def _admit(request: Request) -> None:
        if (await actor_of(request)).role not in (Role.OPERATOR, Role.SERVICE):
            raise Refused("forbidden", "only operators and services read statements")

    async def _told(request: Request, day: date) -> tuple[list[StatementEntry], list[Planted]]:
        await _admit(request)
        if day >= request.app.state.clock.now().date():
            raise Refused("day_not_closed", f"{day} is not over (UTC); ask again on the day after")
        pool = request.app.state.pool
        before = await moved_on(pool, day - timedelta(days=1)) if faults and day > date.min else ()
        return with_differences(faults, before, await moved_on(pool, day))

    return router
