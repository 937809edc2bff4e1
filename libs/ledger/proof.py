"""The proof of money: that the book adds up, from one consistent snapshot, right while traffic runs.

It believes nothing that it can count again: counters are compared with the transfers and holds that they sum up, and
where every order's money lies with what all accounts together hold.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg

from ledger import findings
from ledger.findings import Finding
from ledger.places import NEVER_NEGATIVE_PLACES, by_place, stated
from ledger.postings import NEVER_NEGATIVE

MOST_FINDINGS = 1000
"""Of one kind in a proof; a book that is wrong in more places is wrong all the same."""

_COUNTS = """
SELECT statement_timestamp() AS at,
    (SELECT count(*) FROM ledger_accounts) AS accounts,
    (SELECT count(*) FROM ledger_transfers) AS transfers,
    (SELECT count(*) FROM ledger_holds) AS holds,
    (SELECT count(*) FROM ledger_holds AS hold
        WHERE NOT EXISTS (SELECT FROM ledger_resolutions WHERE hold_id = hold.id)) AS pending_holds,
    (SELECT count(DISTINCT order_id) FROM ledger_transfers) AS orders
"""

_BALANCES = """
SELECT currency, kind, sum(balance)::numeric AS balance
FROM ledger_accounts
GROUP BY currency, kind
ORDER BY currency, kind
"""

# Counted again from the transfers; a row that no transfer names must stand at nothing.
_ACCOUNTS = """
WITH counted AS (
    SELECT account, sum(debits) AS debits, sum(credits) AS credits
    FROM (
        SELECT debit, amount, 0 FROM ledger_transfers
        UNION ALL
        SELECT credit, 0, amount FROM ledger_transfers
    ) AS side (account, debits, credits)
    GROUP BY account
)
SELECT coalesce(account.id, counted.account) AS id,
    coalesce(counted.credits - counted.debits, 0) AS expected, coalesce(account.balance, 0) AS found
FROM ledger_accounts AS account
FULL JOIN counted ON counted.account = account.id
WHERE coalesce(account.debits_posted, 0) <> coalesce(counted.debits, 0)
    OR coalesce(account.credits_posted, 0) <> coalesce(counted.credits, 0)
ORDER BY id
LIMIT $1
"""

_PENDING = """
WITH counted AS (
    SELECT account, sum(debits) AS debits, sum(credits) AS credits
    FROM ledger_holds AS hold
    CROSS JOIN LATERAL (VALUES (hold.debit, hold.amount, 0), (hold.credit, 0, hold.amount))
        AS side (account, debits, credits)
    WHERE NOT EXISTS (SELECT FROM ledger_resolutions WHERE hold_id = hold.id)
    GROUP BY account
)
SELECT coalesce(account.id, counted.account) AS id,
    coalesce(counted.debits + counted.credits, 0) AS expected,
    coalesce(account.debits_pending + account.credits_pending, 0) AS found
FROM (SELECT * FROM ledger_accounts WHERE debits_pending <> 0 OR credits_pending <> 0) AS account
FULL JOIN counted ON counted.account = account.id
WHERE coalesce(account.debits_pending, 0) <> coalesce(counted.debits, 0)
    OR coalesce(account.credits_pending, 0) <> coalesce(counted.credits, 0)
ORDER BY id
LIMIT $1
"""

_OVERDRAWN = """
SELECT id, 0 AS expected, balance - debits_pending AS found
FROM ledger_accounts
WHERE balance - debits_pending < 0 AND kind = ANY($2)
ORDER BY id
LIMIT $1
"""

# A hold that ended as its row says: known, by its whole amount, and moved by one transfer between its own accounts.
_RESOLUTIONS = """
SELECT resolution.hold_id AS id, coalesce(right(hold.debit, 3), '') AS currency,
    coalesce(resolution.moved, 0) AS expected, coalesce(transfer.amount, 0) AS found
FROM ledger_resolutions AS resolution
LEFT JOIN ledger_holds AS hold ON hold.id = resolution.hold_id
LEFT JOIN ledger_transfers AS transfer ON transfer.id = resolution.hold_id
WHERE hold.amount IS DISTINCT FROM resolution.held
    OR transfer.amount IS DISTINCT FROM resolution.moved
    OR transfer.id IS NOT NULL AND (transfer.debit, transfer.credit) <> (hold.debit, hold.credit)
ORDER BY id
LIMIT $1
"""

_STRANGERS = """
SELECT id, right(debit, 3) AS currency, 0 AS expected, amount AS found
FROM ledger_transfers
WHERE starts_with(debit, 'hold:') AND NOT starts_with(debit, 'hold:' || order_id || '/')
    OR starts_with(credit, 'hold:') AND NOT starts_with(credit, 'hold:' || order_id || '/')
ORDER BY id
LIMIT $1
"""

# Where every order's money lies; given back are the sums over all orders (order_id NULL) and the orders that are wrong.
_ORDERS = """
WITH lies AS MATERIALIZED (
    SELECT order_id, currency, place, sum(amount) AS amount
    FROM ledger_entries
    GROUP BY order_id, currency, place
),
wrong AS (
    SELECT order_id, currency
    FROM lies
    GROUP BY order_id, currency
    HAVING sum(amount) <> 0
        OR bool_or(place = ANY($2) AND CASE WHEN place = 'funded' THEN amount > 0 ELSE amount < 0 END)
    ORDER BY order_id, currency
    LIMIT $1
)
SELECT NULL AS order_id, currency, place, sum(amount) AS amount FROM lies GROUP BY currency, place
UNION ALL
SELECT lies.* FROM lies JOIN wrong USING (order_id, currency)
"""


@dataclass(frozen=True, slots=True)
class CurrencyProof:
    """One currency, in minor units. `places` says where all orders' money lies (`ledger.places`), `balances` what the
    accounts of each kind hold; clearing is negative by what providers hold for us."""

    currency: str
    sum: int
    places: Mapping[str, int]
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Proof:
    """The book as of `at`. `ok` when nothing was found; findings are limited to `MOST_FINDINGS` of each kind."""

    at: datetime
    currencies: tuple[CurrencyProof, ...]
    accounts: int
    transfers: int
    holds: int
    pending_holds: int
    orders: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `at` in ISO 8601, UTC."""
        return {"ok": self.ok, **asdict(self), "at": self.at.isoformat()}


async def prove(connection: asyncpg.Connection) -> Proof:
    """Counts the whole book again: a few passes over all transfers, one snapshot, no lock that a writer would wait for.

    `connection` must not be in a transaction.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        counts = await connection.fetchrow(_COUNTS)
        balances = await connection.fetch(_BALANCES)
        lies = await connection.fetch(_ORDERS, MOST_FINDINGS, sorted(NEVER_NEGATIVE_PLACES))
        rows = {
            "account_differs": await connection.fetch(_ACCOUNTS, MOST_FINDINGS),
            "pending_differs": await connection.fetch(_PENDING, MOST_FINDINGS),
            "account_negative": await connection.fetch(_OVERDRAWN, MOST_FINDINGS, sorted(NEVER_NEGATIVE)),
            "resolution_differs": await connection.fetch(_RESOLUTIONS, MOST_FINDINGS),
            "hold_of_another_order": await connection.fetch(_STRANGERS, MOST_FINDINGS),
        }
    assert counts is not None
    currencies = _currencies(balances, [row for row in lies if row["order_id"] is None])
    found = [
        *_of_currencies(currencies),
        *(_finding(code, row) for code, some in rows.items() for row in some),
        *_of_orders([row for row in lies if row["order_id"] is not None]),
    ]
    return Proof(currencies=currencies, findings=tuple(found), **dict(counts))


def _currencies(balances: list[asyncpg.Record], totals: list[asyncpg.Record]) -> tuple[CurrencyProof, ...]:
    kinds: dict[str, dict[str, int]] = {}
    for row in balances:
        kinds.setdefault(row["currency"], {})[row["kind"]] = int(row["balance"])
    entries: dict[str, dict[str, int]] = {currency: {} for currency in kinds}
    for row in totals:
        entries.setdefault(row["currency"], {})[row["place"]] = int(row["amount"])
    return tuple(
        CurrencyProof(currency, sum(kinds.get(currency, {}).values()), stated(lies), kinds.get(currency, {}))
        for currency, lies in sorted(entries.items())
    )


def _of_currencies(currencies: tuple[CurrencyProof, ...]) -> list[Finding]:
    found = []
    for one in currencies:
        if one.sum:
            found.append(Finding("currency_not_zero", one.currency, one.currency, 0, one.sum))
        for place, balance, lies in by_place(one.balances, one.places):
            if balance != lies:
                found.append(Finding("places_differ", place, one.currency, balance, lies))
    return found


def _of_orders(rows: list[asyncpg.Record]) -> list[Finding]:
    orders: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        orders.setdefault((row["order_id"], row["currency"]), {})[row["place"]] = int(row["amount"])
    return [
        finding
        for (order_id, currency), entries in sorted(orders.items())
        for finding in findings.of_order(order_id, currency, stated(entries))
    ]


def _finding(code: str, row: asyncpg.Record) -> Finding:
    currency = row["currency"] if "currency" in row else row["id"][-3:]
    return Finding(code, row["id"], currency, int(row["expected"]), int(row["found"]))
