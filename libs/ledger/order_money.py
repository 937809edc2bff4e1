"""Where the money of one order is, and every step it took: each leg, who holds it, since when, and by which message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from msgspec import Struct, to_builtins

from ledger import places
from ledger.naming import account_of
from ledger.postings import Account, Transfer

_LEGS = """
SELECT id, debit, credit, amount, purpose, cause, corrects, at
FROM ledger_transfers
WHERE order_id = $1
ORDER BY batch, position
"""

_PENDING = """
SELECT id, debit, credit, amount, purpose, cause, NULL AS corrects, at
FROM ledger_holds AS hold
WHERE order_id = $1 AND NOT EXISTS (SELECT FROM ledger_resolutions WHERE hold_id = hold.id)
ORDER BY at, id
"""


class Leg(Struct, frozen=True):
    """`amount` minor units from `debit` to `credit`, at `at` (UTC), because of message `cause`."""

    id: str
    debit: Account
    credit: Account
    amount: int
    purpose: str
    cause: str
    corrects: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderMoney:
    """`lies`: currency → place → minor units (`ledger.places`); `legs`: what moved, in order; `pending`: what is
    reserved and neither posted nor voided."""

    order_id: str
    lies: Mapping[str, Mapping[str, int]]
    legs: tuple[Leg, ...]
    pending: tuple[Leg, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; times in ISO 8601, UTC."""
        return {
            "order_id": self.order_id,
            "lies": self.lies,
            "legs": [_leg_dict(leg) for leg in self.legs],
            "pending": [_leg_dict(leg) for leg in self.pending],
        }


async def order_money(connection: asyncpg.Connection, order_id: str) -> OrderMoney:
    """The money of one order; of an order unknown to the book there is none."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        legs = tuple(_leg(row) for row in await connection.fetch(_LEGS, order_id))
        pending = tuple(_leg(row) for row in await connection.fetch(_PENDING, order_id))
    lies = places.where(Transfer(leg.id, leg.debit, leg.credit, leg.amount, leg.purpose, order_id) for leg in legs)
    return OrderMoney(order_id, lies, legs, pending)


def _leg(row: asyncpg.Record) -> Leg:
    sides = {"debit": account_of(row["debit"]), "credit": account_of(row["credit"])}
    return Leg(**dict(row) | sides)


def _leg_dict(leg: Leg) -> dict[str, Any]:
    plain: dict[str, Any] = to_builtins(leg)
    return plain | {"at": leg.at.isoformat()}
