"""HTTP of the deposits service: what a seller and an operator may do, and what they see."""

from typing import Any

from fastapi import APIRouter, Request

from contracts.deposits import OpenDeposit, PayDeposit, ReinstateDeposit, SuspendDeposit
from contracts.message import Actor, Role
from contracts.money import Money
from deposits.domain import Claim, Deposit, Status
from deposits.reconciliation import BOOK
from deposits.shapes import DepositShown
from deposits.watches import WATCHES
from ledger.desk import Desk
from ledger.proof import prove
from runtime.access import STAFF, staff_of
from runtime.http import Api, command, query, shows
from runtime.reconciliations import reconciliations
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


API = Api(
    commands=(
        command("/deposits", OpenDeposit),
        command("/deposits/{seller_id}/payment", PayDeposit),
        command("/deposits/{seller_id}/suspension", SuspendDeposit),
        command("/deposits/{seller_id}/reinstatement", ReinstateDeposit),
    ),
    queries=(query("/deposits/{seller_id}", "deposits", deposit_view, visible, DepositShown),),
    routers=(router, reconciliations(Desk(BOOK))),
    watches=WATCHES,
)
