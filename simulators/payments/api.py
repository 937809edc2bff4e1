"""HTTP of the provider: its statement and operations, and the control of what goes wrong."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request

from runtime.decision import Refused
from runtime.http import Api, command, query
from simulators.payments.control import ClearScript, ReportChargeback, ReverseChargeback, ScriptOperation
from simulators.payments.repository import statement

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


API = Api(
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
    routers=(router,),
)
