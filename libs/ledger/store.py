"""The book in PostgreSQL: a batch of postings in one statement, however many there are.

The statement inserts the transfers, adds up what it inserted, and puts one sum on each account's row: balances cannot
disagree with transfers, and a row is written once a batch. Rows are taken in the order of their ids, so that batches
on the same accounts wait for each other and never deadlock; for that, write once a transaction.

The semantics are those of `ledger.book`: only what the book is after the batch matters, so a hold may be posted in the
batch that makes it, and money spent in the batch that brings it. Transfers are listed in the order given, then what
holds moved.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from contracts.money import MAX_MINOR_UNITS
from ledger.errors import CODE_OF_CONSTRAINT, LedgerError
from ledger.naming import row_id
from ledger.postings import Hold, Post, Posting, Transfer, Void

# A column of texts travels as one string: the driver takes five times as long to encode an array of them.
_SEPARATOR = "\x1f"

_MOVEMENT = "id, debit, credit, amount, order_id, purpose, cause"
# The numbers of the first parameters; $1 is the time.
_TRANSFERS, _CORRECTS, _HOLDS, _ENDS = 2, 9, 10, 17


def _texts(parameter: int) -> str:
    return rf"unnest(string_to_array(${parameter}::text, E'\x1f'))"


def _movements(first: int) -> str:
    """Rows of what `_movement_columns` made, from parameter `first` on."""
    columns = [
        f"unnest(${first + n}::bigint[])" if name == "amount" else _texts(first + n)
        for n, name in enumerate(_MOVEMENT.split(", "))
    ]
    return f"ROWS FROM ({', '.join(columns)}) WITH ORDINALITY AS movement ({_MOVEMENT}, position)"


_BATCH = "batch AS MATERIALIZED (SELECT nextval('ledger_batches') AS number)"

_PLAIN = f"""
WITH {_BATCH},
posted AS (
    INSERT INTO ledger_transfers (batch, position, at, {_MOVEMENT}, corrects)
    SELECT batch.number, position, $1, {_MOVEMENT}, (${_CORRECTS}::text[])[position]
    FROM batch, {_movements(_TRANSFERS)}
    RETURNING debit, credit, amount
),
net AS (
    SELECT account, sum(debits)::bigint AS debits, sum(credits)::bigint AS credits
    FROM (
        SELECT debit, amount, 0::bigint FROM posted UNION ALL SELECT credit, 0, amount FROM posted
    ) AS side (account, debits, credits)
    GROUP BY account
)
INSERT INTO ledger_accounts AS account (id, debits_posted, credits_posted)
SELECT * FROM net ORDER BY account
ON CONFLICT (id) DO UPDATE SET
    debits_posted = account.debits_posted + excluded.debits_posted,
    credits_posted = account.credits_posted + excluded.credits_posted
"""

# Holds are looked up one by one (LATERAL … LIMIT), so that no plan made while their table was small reads all of it.
_WITH_HOLDS = f"""
WITH {_BATCH},
held AS (
    INSERT INTO ledger_holds (at, {_MOVEMENT})
    SELECT $1, {_MOVEMENT} FROM {_movements(_HOLDS)}
    RETURNING *
),
ending AS MATERIALIZED (
    SELECT *
    FROM ROWS FROM (
        {_texts(_ENDS)}, unnest(${_ENDS + 1}::bigint[]), unnest(${_ENDS + 2}::boolean[]), {_texts(_ENDS + 3)}
    ) WITH ORDINALITY AS ending (hold_id, amount, voided, cause, position)
),
known AS MATERIALIZED (
    SELECT hold.*
    FROM ending CROSS JOIN LATERAL (SELECT * FROM ledger_holds WHERE id = ending.hold_id LIMIT 1) AS hold
    UNION ALL
    SELECT * FROM held WHERE id IN (SELECT hold_id FROM ending)
),
ended AS (
    INSERT INTO ledger_resolutions (hold_id, held, moved, at, cause)
    SELECT ending.hold_id, known.amount,
        CASE WHEN NOT ending.voided THEN coalesce(ending.amount, known.amount) END, $1, ending.cause
    FROM ending LEFT JOIN known ON known.id = ending.hold_id
    RETURNING hold_id, held, moved, cause
),
freed AS MATERIALIZED (
    SELECT known.*, ended.moved, ended.cause AS ended_by, ending.position
    FROM ended JOIN known ON known.id = ended.hold_id JOIN ending ON ending.hold_id = ended.hold_id
),
posted AS (
    INSERT INTO ledger_transfers (batch, position, at, {_MOVEMENT}, corrects)
    SELECT batch.number, position, $1, {_MOVEMENT}, (${_CORRECTS}::text[])[position]
    FROM batch, {_movements(_TRANSFERS)}
    UNION ALL
    SELECT batch.number, cardinality(${_TRANSFERS + 3}::bigint[]) + position, $1,
        id, debit, credit, moved, order_id, purpose, ended_by, NULL
    FROM batch, freed WHERE moved IS NOT NULL
    RETURNING debit, credit, amount
),
net AS (
    SELECT account, sum(debits)::bigint, sum(credits)::bigint, sum(pending_debits)::bigint, sum(pending_credits)::bigint
    FROM (
        SELECT debit, amount, 0, 0, 0 FROM posted UNION ALL SELECT credit, 0, amount, 0, 0 FROM posted
        UNION ALL SELECT debit, 0, 0, amount, 0 FROM held UNION ALL SELECT credit, 0, 0, 0, amount FROM held
        UNION ALL SELECT debit, 0, 0, -amount, 0 FROM freed UNION ALL SELECT credit, 0, 0, 0, -amount FROM freed
    ) AS side (account, debits, credits, pending_debits, pending_credits)
    GROUP BY account
)
INSERT INTO ledger_accounts AS account (id, debits_posted, credits_posted, debits_pending, credits_pending)
SELECT * FROM net ORDER BY account
ON CONFLICT (id) DO UPDATE SET
    debits_posted = account.debits_posted + excluded.debits_posted,
    credits_posted = account.credits_posted + excluded.credits_posted,
    debits_pending = account.debits_pending + excluded.debits_pending,
    credits_pending = account.credits_pending + excluded.credits_pending
"""


class LedgerStore:
    """Writes postings in the transaction of the batch that made them."""

    async def write(self, connection: Any, postings: Sequence[tuple[str, Posting]], now: datetime) -> None:
        """Writes (cause, posting) pairs, all or none, in one statement and one ordered pass over the accounts.

        Raises `LedgerError` for what the book refuses; if the database found it, its error is the cause and the
        transaction can only be rolled back.
        """
        if not postings:
            return
        transfers = [(cause, one) for cause, one in postings if isinstance(one, Transfer)]
        corrects = [transfer.corrects for _, transfer in transfers]
        columns = [now, *_movement_columns(transfers), corrects if any(one is not None for one in corrects) else None]
        statement = _PLAIN
        if len(transfers) < len(postings):
            statement = _WITH_HOLDS
            columns += _movement_columns([(cause, one) for cause, one in postings if isinstance(one, Hold)])
            columns += _end_columns([(cause, one) for cause, one in postings if isinstance(one, Post | Void)])
        try:
            await connection.execute(statement, *columns)
        except (
            asyncpg.IntegrityConstraintViolationError,
            asyncpg.NumericValueOutOfRangeError,
            asyncpg.CharacterNotInRepertoireError,
        ) as error:
            raise refusal(error) from error


def refusal(error: asyncpg.PostgresError) -> LedgerError:
    """The book's word for an error of the database that a posting caused."""
    subject = f"{error} ({error.detail})" if error.detail else str(error)
    if isinstance(error, asyncpg.NumericValueOutOfRangeError):
        return LedgerError("amount_too_large", subject)
    return LedgerError(CODE_OF_CONSTRAINT.get(error.constraint_name or "", "invalid_text"), subject)


def _movement_columns(movements: Sequence[tuple[str, Transfer]] | Sequence[tuple[str, Hold]]) -> list[Any]:
    ids, debits, credits, amounts, orders, purposes, causes = [], [], [], [], [], [], []
    for cause, movement in movements:
        order_id = movement.order_id
        ids.append(movement.id)
        debits.append(row_id(movement.debit, order_id))
        credits.append(row_id(movement.credit, order_id))
        amounts.append(movement.amount)
        orders.append(order_id)
        purposes.append(movement.purpose)
        causes.append(cause)
    _check_range(amounts)
    accounts = (_joined(debits), _joined(credits))
    return [_joined(ids), *accounts, amounts, _joined(orders), _joined(purposes), _joined(causes)]


def _end_columns(ends: Sequence[tuple[str, Post | Void]]) -> list[Any]:
    amounts = [one.amount if isinstance(one, Post) else None for _, one in ends]
    _check_range([amount for amount in amounts if amount is not None])
    voided = [isinstance(one, Void) for _, one in ends]
    return [_joined([one.hold_id for _, one in ends]), amounts, voided, _joined([cause for cause, _ in ends])]


def _joined(column: list[str]) -> str:
    text = _SEPARATOR.join(column)
    if "" in column or text.count(_SEPARATOR) >= len(column) > 0:
        raise LedgerError("invalid_text", repr(next(one for one in column if not one or _SEPARATOR in one)))
    return text


def _check_range(amounts: Sequence[int]) -> None:
    if amounts and max(map(abs, amounts)) > MAX_MINOR_UNITS:
        raise LedgerError("amount_too_large", str(max(amounts, key=abs)))
