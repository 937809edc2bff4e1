"""Escrow over HTTP: one order's money, the operators' queue and their two commands, and the proof of money. Buyers and
sellers read of their own orders only, and a seller nothing of how the buyer pays (E10)."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from contracts.escrow import RecordOperationResult, RetryOperation
from contracts.message import Actor, Id
from escrow.reconciliation import BOOK
from escrow.repository import PAGE_LIMIT, operator_queue, overdue
from escrow.shapes import EscrowShown, OrderMoneyShown, Overdue, Queue
from escrow.views import escrow_view, money_view, queue_entry, takes_part
from escrow.watches import WATCHES
from escrow.whereabouts import where
from ledger.desk import Desk
from ledger.order_money import order_money
from ledger.proof import prove
from runtime.access import actor_of, staff_of
from runtime.cursors import read_cursor, write_cursor
from runtime.decision import Ref, Refused
from runtime.http import Api, command, shows
from runtime.reconciliations import reconciliations
from runtime.shapes import MoneyProof

router = APIRouter()


@router.get("/operator-queue", **shows(Queue))
async def read_operator_queue(
    request: Request, after: Id | None = None, limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50
) -> dict[str, Any]:
    """Orders that wait for an operator, by id. Go on with `after` = `next` until it is null."""
    await staff_of(request)
    found = await operator_queue(request.app.state.pool, after=after or "", limit=limit + 1)
    page = found[:limit]
    return {
        "orders": [queue_entry(order, version) for order, version in page],
        "next": page[-1][0].order_id if len(found) > limit else None,
    }


@router.get("/overdue", **shows(Overdue))
async def read_overdue(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=PAGE_LIMIT)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before", max_length=128)] = None,
) -> dict[str, Any]:
    """Orders that should have moved by now and did not, the longest overdue first: always empty while the timers run.
    Go on with `after` = `next` until it is null."""
    await staff_of(request)
    state = request.app.state
    found = await overdue(state.pool, state.clock.now(), after=read_cursor(after), limit=limit + 1)
    page = found[:limit]
    return {
        "orders": [{"due_at": late.due_at} | escrow_view(late.order, late.version) for late in page],
        "next": write_cursor(page[-1].due_at, page[-1].order.order_id) if len(found) > limit else None,
    }


@router.get("/money/proof", **shows(MoneyProof))
async def read_proof(request: Request) -> dict[str, Any]:
    """The whole book, counted again from one consistent snapshot (X1)."""
    await staff_of(request)
    async with request.app.state.pool.acquire() as connection:
        proof = await prove(connection)
    return proof.to_dict()


@router.get("/money/orders/{order_id}", **shows(OrderMoneyShown))
async def read_order_money(request: Request, order_id: Id) -> dict[str, Any]:
    """Where the money of one order is, and every step it took (E11). `where` has each part of each line: whose it is to
    be (`owner`), who has it now (`held_by`, `place`, `since`), by when it is to move (`expected_at`, `overdue`) and the
    `reference` to ask for; `lies` the sums by currency and place; `legs` what moved and `pending` what is reserved. A
    seller's view holds what concerns the seller."""
    actor, found = await _found(request, order_id)
    async with request.app.state.pool.acquire() as connection:
        money = await order_money(connection, order_id)
    now = request.app.state.clock.now()
    return money_view(money, actor.role) | {"where": where(found.state, money, now, actor.role)}


@router.get("/escrow/{order_id}", **shows(EscrowShown))
async def read_escrow(request: Request, response: Response, order_id: Id) -> dict[str, Any]:
    """Where each line's money stands, until when, and what happens on silence."""
    actor, found = await _found(request, order_id)
    response.headers["etag"] = f'"{found.version}"'
    return escrow_view(found.state, found.version, actor.role)


async def _found(request: Request, order_id: str) -> tuple[Actor, Any]:
    """Who asks, and the order, if it exists for them."""
    actor = await actor_of(request)
    found = await request.app.state.repository.get(request.app.state.pool, Ref("escrow", order_id))
    if found is None or not takes_part(found.state, actor):
        raise Refused("not_found", "there is no such order here; check the order id")
    return actor, found


API = Api(
    commands=(
        command("/escrow/{order_id}/operations/{operation_id}/retry", RetryOperation),
        command("/escrow/{order_id}/operations/{operation_id}/result", RecordOperationResult),
    ),
    queries=(),
    routers=(router, reconciliations(Desk(BOOK))),
    watches=WATCHES,
)
