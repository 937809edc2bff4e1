"""Disputes over HTTP: the six commands, one case, and lists. Buyers and sellers read their own cases only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from contracts.disputes import ConfirmReturn, OpenDispute, RuleDispute, ShipReplacement, ShipReturn, WithdrawDispute
from contracts.message import Id, Role
from disputes.case import Status
from disputes.repository import PAGE_LIMIT, list_cases
from disputes.rules import not_found, takes_part
from disputes.views import case_summary, case_view
from runtime.access import actor_of
from runtime.decision import Ref
from runtime.http import Api, command

router = APIRouter()


@router.get("/disputes/{dispute_id}")
async def read_dispute(request: Request, dispute_id: Id) -> dict[str, Any]:
    """One case as the actor may see it; not_found for buyers and sellers who have no part in it."""
    actor = await actor_of(request)
    found = await request.app.state.repository.get(request.app.state.pool, Ref("disputes", dispute_id))
    if found is None or not takes_part(found.state, actor.role, actor.id):
        raise not_found()
    return case_view(found.state, found.version, actor.role)


@router.get("/disputes")
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
