"""HTTP of the provider: its records and daily statements, and the control and account of what goes wrong."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from pydantic import SecretStr

from runtime.clock import EPOCH
from runtime.decision import Refused
from runtime.http import Api, command, query
from simulators.faults import NONE, Faults
from simulators.forgeries import Tally
from simulators.payments.control import ClearScript, ReportChargeback, ReverseChargeback, ScriptOperation
from simulators.payments.http_api import provider
from simulators.payments.planting import planted_in_all
from simulators.payments.repository import faults_met, midnight, moved_between, statement
from simulators.payments.statements import statements

router = APIRouter()


@router.get("/statement")
async def read_statement(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=5_000)] = 1_000,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=160)] = None,
) -> dict[str, Any]:
    """Everything that moved, oldest first. `next` is None on the last page."""
    lines = await statement(request.app.state.pool, limit, _read_cursor(after))
    last = lines[-1] if len(lines) == limit else None
    return {
        "lines": [line._asdict() for line in lines],
        "next": f"{last.moved_at:%Y-%m-%dT%H:%M:%S.%fZ},{last.id}" if last else None,
    }


def _read_cursor(after: str | None) -> tuple[datetime, str] | None:
    if after is None:
        return None
    moment, _, id = after.partition(",")
    try:
        moved_at = datetime.fromisoformat(moment)
    except ValueError:
        moved_at = None
    if moved_at is None or moved_at.tzinfo is None:
        raise Refused("invalid_cursor", "send `next` of the page before as `after`")
    return moved_at, id


def view(state: Any, version: int) -> dict[str, Any]:
    """An operation, script or list of chargebacks as it stands."""
    return {"version": version, **msgspec.to_builtins(state)}


def account(faults: Faults, tally: Tally) -> APIRouter:
    """The route that tells what went wrong by itself."""
    router = APIRouter()

    @router.get("/faults")
    async def read_faults(request: Request) -> dict[str, Any]:
        """What was to go wrong, how many operations it met, how many differences stand in the statements of the days
        that are over, and what webhooks and calls came to in this life of the process: how many forgeries of each kind
        were sent, refused, and accepted."""
        pool, today = request.app.state.pool, midnight(request.app.state.clock.now().date())
        moved = await moved_between(pool, EPOCH, today) if faults else []
        return {
            "seed": faults.seed,
            "basis_points": dict(faults.shares),
            "operations": await faults_met(pool),
            "statements": planted_in_all(faults, moved),
            "webhooks": tally.told(),
        }

    return router


def api(faults: Faults = NONE, tally: Tally | None = None, key: SecretStr | None = None) -> Api:
    """All of it, of a provider with these faults, whose sender counts in `tally`; with a key also what can be asked of
    it over HTTP."""
    return Api(
        commands=(
            command("/script", ScriptOperation),
            command("/script/{target}/clearing", ClearScript),
            command("/chargebacks", ReportChargeback),
            command("/chargebacks/{reference}/{chargeback_id}/reversal", ReverseChargeback),
        ),
        queries=(
            query("/operations/{operation_id}", "operations", view),
            query("/script/{target}", "scripts", view),
            query("/chargebacks/{reference}", "chargebacks", view),
        ),
        routers=(
            router,
            statements(faults),
            account(faults, tally or Tally()),
            *([provider(key)] if key else []),
        ),
    )


API = api()
