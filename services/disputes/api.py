"""Disputes over HTTP: the six commands, one case, and lists. Buyers and sellers read their own cases only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from contracts.disputes import ConfirmReturn, OpenDispute, RuleDispute, ShipReplacement, ShipReturn, WithdrawDispute
from contracts.message import Id, Role
from disputes.case import Status
from disputes.repository import PAGE_LIMIT, list_cases
from disputes.rules import not_found, takes_part
from disputes.shapes import Cases, CaseShown
from disputes.views import case_summary, case_view
from runtime.access import actor_of
from runtime.decision import Ref
from runtime.http import Api, command, shown, shows

router = APIRouter()


@router.get("/disputes/{dispute_id}", **shows(CaseShown))
async def read_dispute(request: Request, dispute_id: Id) -> Response:
    """One case as the actor may see it; not_found for buyers and sellers who have no part in it."""
    actor = await actor_of(request)
    found = await request.app.state.repository.get(request.app.state.pool, Ref("disputes", dispute_id))
    if found is None or not takes_part(found.state, actor.role, actor.id):
        raise not_found()
    return shown(case_view(found.state, found.version, actor.role), found.version)


@router.get("/disputes", **shows(Cases))
async def read_disputes(
    request: Request,
    order_id: Id | None = None,
    state: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Id | None = None,
) -> dict[str, Any]:
    """Cases, the most urgent first; buyers and sellers get their own. Go on with `after` = `next` until it is
    null."""
    actor = await actor_of(request)
    page = await list_cases(
        request.app.state.pool,
        order_id=order_id,
        buyer_id=actor.id if actor.role is Role.BUYER else None,
        seller_id=actor.id if actor.role is Role.SELLER else None,
        status=state,
        after=after,
        limit=limit,
    )
    return {
        "disputes": [case_summary(found.state, found.version, actor.role) for found in page.cases],
        "next": page.next_after,
    }


API = Api(
    commands=(
        command("/disputes", OpenDispute),
        command("/disputes/{dispute_id}/withdrawal", WithdrawDispute),
        command("/disputes/{dispute_id}/ruling", RuleDispute),
        command("/disputes/{dispute_id}/return", ShipReturn),
        command("/disputes/{dispute_id}/return-receipt", ConfirmReturn),
        command("/disputes/{dispute_id}/replacement", ShipReplacement),
    ),
    queries=(),
    routers=(router,),
)
