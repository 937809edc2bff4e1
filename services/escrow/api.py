"""Escrow over HTTP: one order's money, the operators' queue and their two commands, and the proof of money."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from contracts.escrow import RecordOperationResult, RetryOperation
from contracts.message import Id
from escrow.repository import PAGE_LIMIT, operator_queue, overdue
from escrow.views import escrow_view, queue_entry
from ledger.order_money import order_money
from ledger.proof import prove
from runtime.http import Api, command, query

router = APIRouter()


@router.get("/operator-queue")
async def read_operator_queue(
    request: Request, after: Id | None = None, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50
) -> dict[str, Any]:
    """Orders that wait for an operator, by id. Go on with `after` = `next` until it is null."""
    found = await operator_queue(request.app.state.pool, after=after or "", limit=limit + 1)
    page = found[:limit]
    return {
        "orders": [queue_entry(order, version) for order, version in page],
        "next": page[-1][0].order_id if len(found) > limit else None,
    }


@router.get("/overdue")
async def read_overdue(request: Request, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50) -> dict[str, Any]:
    """Orders that should have moved by now and did not: always empty while the timers run."""
    found = await overdue(request.app.state.pool, request.app.state.clock.now(), limit=limit)
    return {"orders": [escrow_view(order, version) for order, version in found]}


@router.get("/money/proof")
async def read_proof(request: Request) -> dict[str, Any]:
    """The whole book, counted again from one consistent snapshot (X1)."""
    async with request.app.state.pool.acquire() as connection:
        proof = await prove(connection)
    return proof.to_dict()


@router.get("/money/orders/{order_id}")
async def read_order_money(request: Request, order_id: Id) -> dict[str, Any]:
    """Where the money of one order is, and every step it took (E11)."""
    async with request.app.state.pool.acquire() as connection:
        money = await order_money(connection, order_id)
    return money.to_dict()


API = Api(
    commands=(
        command("/escrow/{order_id}/operations/{operation_id}/retry", RetryOperation),
        command("/escrow/{order_id}/operations/{operation_id}/result", RecordOperationResult),
    ),
    queries=(query("/escrow/{order_id}", "escrow", escrow_view),),
    routers=(router,),
)
