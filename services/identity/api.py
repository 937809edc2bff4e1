"""HTTP of the identity service: accounts, and the appeals of people whose orders were stopped."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request

from contracts.identity import OpenAccount, RejectAppeal, SubmitAppeal, VerifyAppeal
from contracts.message import Actor, Role
from identity.domain import Account, Stop, StopStatus
from identity.repository import appeals
from identity.shapes import AccountShown, Appeals
from runtime.access import STAFF, staff_of
from runtime.cursors import read_cursor, write_cursor
from runtime.http import Api, command, query, shows

router = APIRouter()


@router.get("/appeals", **shows(Appeals))
async def list_appeals(
    request: Request,
    status: Literal["submitted", "verified", "rejected"] = "submitted",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=128)] = None,
) -> dict[str, Any]:
    """The reviewers' list, the longest waiting first. `next` is None on the last page."""
    await staff_of(request, Role.REVIEWER)
    rows = await appeals(request.app.state.pool, StopStatus(status), limit, read_cursor(after))
    last = rows[-1] if len(rows) == limit else None
    return {
        "appeals": [row._asdict() for row in rows],
        "next": write_cursor(last.submitted_at, last.appeal_id) if last else None,
    }


def visible(account: Account, actor: Actor) -> bool:
    """Whether the account is there for this actor: for the person, as buyer or seller, for reviewers and for staff. It
    stays so whatever was stopped or frozen (I11)."""
    if actor.role in (Role.BUYER, Role.SELLER):
        return actor.id == account.person_id
    return actor.role in STAFF or actor.role is Role.REVIEWER


def account_view(account: Account, version: int) -> dict[str, Any]:
    """The account, and every order that was stopped with its reasons and what became of the appeal (I2, I11, I12)."""
    return {
        "person_id": account.person_id,
        "version": version,
        "country": account.country,
        "opened_at": account.opened_at,
        "stops": [_stop_view(stop) for stop in account.stops],
    }


def _stop_view(stop: Stop) -> dict[str, Any]:
    return {
        "order_id": stop.order_id,
        "at": stop.at,
        "status": stop.status,
        "signals": [{"rule": signal.rule, "policy": signal.policy} for signal in stop.signals],
        "appeal_id": stop.appeal_id,
        "documents": [paper.kind for paper in stop.documents],
        "submitted_at": stop.submitted_at,
        "decided_at": stop.decided_at,
        "reason": stop.reason,
    }


API = Api(
    commands=(
        command("/accounts", OpenAccount),
        command("/accounts/{person_id}/appeals", SubmitAppeal),
        command("/accounts/{person_id}/appeals/{appeal_id}/verification", VerifyAppeal),
        command("/accounts/{person_id}/appeals/{appeal_id}/rejection", RejectAppeal),
    ),
    queries=(query("/accounts/{person_id}", "accounts", account_view, visible, AccountShown),),
    routers=(router,),
)
