"""HTTP of the deposits service: what a seller and an operator may do, and what they see."""

import asyncio
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from contracts.deposits import OpenDeposit, PayDeposit, ReinstateDeposit, SuspendDeposit
from contracts.message import Actor, Id, Role
from contracts.money import Money
from deposits.domain import Claim, Deposit, Status
from deposits.reconciliation import BOOK
from deposits.shapes import DepositShown
from deposits.watches import WATCHES
from ledger.proof import prove
from ledger.shapes import ReconciliationShown
from ledger.statements import MAX_STATEMENT_BYTES, STATEMENT_BODY, read_statement, reconcile, reconciliation
from ledger.statements import PAGE_LIMIT as DIFFERENCES_LIMIT
from runtime.access import STAFF, actor_of, staff_of
from runtime.decision import Refused
from runtime.http import Api, body_of, command, query, shows
from runtime.shapes import MoneyProof

router = APIRouter()


@router.get("/money/proof", **shows(MoneyProof))
async def money_proof(request: Request) -> dict[str, Any]:
    """Whether every unit of the deposits' money is accounted for, now (X1)."""
    await staff_of(request)
    async with request.app.state.pool.acquire() as connection:
        return (await prove(connection)).to_dict()


def visible(deposit: Deposit, actor: Actor) -> bool:
    """Whether the deposit is there for this actor: for its seller, for mediators and for staff."""
    if actor.role is Role.SELLER:
        return actor.id == deposit.seller_id
    return actor.role in STAFF or actor.role is Role.MEDIATOR


def deposit_view(deposit: Deposit, version: int) -> dict[str, Any]:
    """Balance, payment time and whether the status is normal (P2); amounts are `{amount, currency}` in minor units."""
    view: dict[str, Any] = {
        "seller_id": deposit.seller_id,
        "version": version,
        "status": deposit.status,
        "normal": deposit.status is Status.ACTIVE,
        "suspended_because": _suspended_because(deposit),
        "paid_at": deposit.paid_at,
        "claims": [_claim_view(claim) for claim in deposit.claims],
    }
    if deposit.terms is None:
        return view
    currency = deposit.terms.currency
    pending = deposit.pending
    return view | {
        "category": deposit.terms.category,
        "country": deposit.terms.country,
        "policy": deposit.terms.policy,
        "opened_at": deposit.terms.opened_at,
        "required": _money(deposit.terms.required, currency),
        "balance": _money(deposit.balance, currency),
        "missing": _money(deposit.missing, currency),
        "payment_pending": pending
        and {
            "operation_id": pending.operation_id,
            "amount": _money(pending.amount, currency),
            "method": pending.method,
            "asked_at": pending.asked_at,
        },
    }


def _suspended_because(deposit: Deposit) -> str | None:
    if deposit.status is not Status.SUSPENDED:
        return None
    return deposit.stopped or "shortfall"


def _claim_view(claim: Claim) -> dict[str, Any]:
    return {
        "claim_id": claim.claim_id,
        "order_id": claim.order_id,
        "asked": _money(claim.asked, claim.currency),
        "paid": _money(claim.paid, claim.currency),
        "code": claim.code,
        "rates": claim.rates,
        "at": claim.at,
    }


def _money(amount: int, currency: str) -> dict[str, Any]:
    return Money(amount=amount, currency=currency).model_dump()


@router.post("/reconciliations", **shows(ReconciliationShown), openapi_extra=STATEMENT_BODY)
async def compare_statement(request: Request) -> dict[str, Any]:
    """Compares a provider's daily statement with this book, keeps the result and answers with it, as the read does. The
    same statement against the same book is the same revision; a corrected statement, or a book that has moved on since,
    supersedes it and leaves it in `history`. Operators and services only; a statement may have 64 MiB."""
    clerk = await _clerk(request)
    body = await body_of(request, MAX_STATEMENT_BYTES)
    try:
        statement = await asyncio.to_thread(read_statement, body)
    except ValueError as error:
        raise Refused("invalid_data", str(error)) from None
    async with request.app.state.pool.acquire() as connection:
        now = request.app.state.clock.now()
        return await reconcile(connection, statement, BOOK, now=now, by=f"{clerk.role}:{clerk.id}")


@router.get("/reconciliations/{day}", **shows(ReconciliationShown))
async def read_reconciliation(
    request: Request,
    day: date,
    provider: Id,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=DIFFERENCES_LIMIT)] = DIFFERENCES_LIMIT,
) -> dict[str, Any]:
    """What is known of a provider's day: totals by currency, causes counted, and differences behind position `after`,
    each with what to do. Go on with `after` = `next` until it is null."""
    await _clerk(request)
    async with request.app.state.pool.acquire() as connection:
        found = await reconciliation(connection, provider, day, after=after, limit=limit)
    if found is None:
        raise Refused("not_found", "no statement of this provider and day was compared; post it to /reconciliations")
    return found


async def _clerk(request: Request) -> Actor:
    actor = await actor_of(request)
    if actor.role not in (Role.OPERATOR, Role.SERVICE):
        raise Refused("forbidden", "only operators and services compare statements")
    return actor


API = Api(
    commands=(
        command("/deposits", OpenDeposit),
        command("/deposits/{seller_id}/payment", PayDeposit),
        command("/deposits/{seller_id}/suspension", SuspendDeposit),
        command("/deposits/{seller_id}/reinstatement", ReinstateDeposit),
    ),
    queries=(query("/deposits/{seller_id}", "deposits", deposit_view, visible, DepositShown),),
    routers=(router,),
    watches=WATCHES,
)
