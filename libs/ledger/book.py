"""The book in memory: what `ledger.store` writes into a database, as plain data. For the simulation, and as the model
that the store is tested against.

A batch says one thing: what the book is after it. So the order of postings in a batch does not matter but for the order
in which transfers are listed: a hold may be posted in the batch that makes it, and money may be spent in the batch
that brings it. What an account must not do, it must not have done when the batch is over.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from contracts.money import MAX_MINOR_UNITS
from ledger import findings, places
from ledger.errors import LedgerError
from ledger.findings import Finding
from ledger.naming import account_of, row_id, row_ids
from ledger.postings import NEVER_NEGATIVE, Account, Hold, Kind, Post, Posting, Transfer, Void


class Counters(NamedTuple):
    """What a row has counted since it was opened, in minor units; all of them ≥ 0."""

    debits_posted: int = 0
    credits_posted: int = 0
    debits_pending: int = 0
    credits_pending: int = 0

    @property
    def balance(self) -> int:
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """The balance without what pending debits reserve."""
        return self.balance - self.debits_pending

    def plus(self, other: "Counters", sign: int = 1) -> "Counters":
        return Counters(
            self.debits_posted + sign * other.debits_posted,
            self.credits_posted + sign * other.credits_posted,
            self.debits_pending + sign * other.debits_pending,
            self.credits_pending + sign * other.credits_pending,
        )


NOTHING = Counters()


class Written(NamedTuple):
    """A transfer in the book, and the message that made it."""

    cause: str
    transfer: Transfer


@dataclass(slots=True)
class _Batch:
    """What one batch adds to the book."""

    transfers: dict[str, Written] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    resolutions: dict[str, int | None] = field(default_factory=dict)
    counted: dict[str, Counters] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)


class Book:
    """Accounts, transfers and holds. Every change is a batch that can be undone, latest first."""

    def __init__(self) -> None:
        self._rows: dict[str, Counters] = {}
        self._transfers: dict[str, Written] = {}
        self._holds: dict[str, Hold] = {}
        self._resolutions: dict[str, int | None] = {}
        self._batches: list[_Batch] = []

    def apply(self, cause: str, posting: Posting) -> None:
        """A batch of one posting."""
        self.apply_all([(cause, posting)])

    def apply_all(self, postings: Sequence[tuple[str, Posting]]) -> None:
        """Writes a batch of (cause, posting), or nothing. Raises `LedgerError`."""
        batch = _Batch()
        for _, posting in postings:
            if isinstance(posting, Hold):
                self._hold(batch, posting)
        for cause, posting in postings:
            if isinstance(posting, Transfer):
                self._transfer(batch, cause, posting)
        for cause, posting in postings:
            if isinstance(posting, Post | Void):
                self._resolve(batch, cause, posting)
        for written in batch.transfers.values():
            corrected = written.transfer.corrects
            if corrected is not None and (corrected == written.transfer.id or not self._has(corrected, batch)):
                raise LedgerError("unknown_correction", corrected)
        after = {row: self.row(row).plus(counted) for row, counted in batch.counted.items()}
        _judge(after)
        batch.opened = after.keys() - self._rows.keys()
        self._rows |= after
        self._transfers |= batch.transfers
        self._holds |= batch.holds
        self._resolutions |= batch.resolutions
        self._batches.append(batch)

    def mark(self) -> int:
        """Where the book stands, for `undo`."""
        return len(self._batches)

    def undo(self, mark: int) -> None:
        """Takes back every batch since `mark`, as a transaction that never committed."""
        while len(self._batches) > mark:
            batch = self._batches.pop()
            for row, counted in batch.counted.items():
                self._rows[row] = self._rows[row].plus(counted, -1)
            for row in batch.opened:
                del self._rows[row]
            for transfer in batch.transfers:
                del self._transfers[transfer]
            for hold in batch.holds:
                del self._holds[hold]
            for resolution in batch.resolutions:
                del self._resolutions[resolution]

    def copy(self) -> Self:
        """A book that goes its own way from here on."""
        copy = type(self)()
        copy._rows = dict(self._rows)
        copy._transfers = dict(self._transfers)
        copy._holds = dict(self._holds)
        copy._resolutions = dict(self._resolutions)
        copy._batches = list(self._batches)
        return copy

    def row(self, row_id: str) -> Counters:
        """The counters of one row of an account."""
        return self._rows.get(row_id, NOTHING)

    def rows(self) -> dict[str, Counters]:
        """Every row that was ever written, by id."""
        return dict(self._rows)

    def counters(self, account: Account) -> Counters:
        """The counters of an account, over all of its rows."""
        total = NOTHING
        for row in row_ids(account):
            total = total.plus(self.row(row))
        return total

    def balance(self, account: Account) -> int:
        """Credits less debits, posted, in minor units."""
        return self.counters(account).balance

    def transfers(self, order_id: str | None = None) -> list[Written]:
        """Transfers in the order of writing: all, or those of one order."""
        return [one for one in self._transfers.values() if order_id in (None, one.transfer.order_id)]

    def pending(self) -> dict[str, Hold]:
        """Holds that were neither posted nor voided, by id."""
        return {id: hold for id, hold in self._holds.items() if id not in self._resolutions}

    def where(self, order_id: str) -> dict[str, dict[str, int]]:
        """Where the money of an order lies: currency → place → minor units."""
        return places.where(written.transfer for written in self.transfers(order_id))

    def check(self) -> list[Finding]:
        """Everything that is wrong, found from the transfers and holds alone; empty for a sound book."""
        return [*self._check_currencies(), *self._check_rows(), *self._check_orders()]

    def _has(self, transfer: str, batch: _Batch) -> bool:
        return transfer in self._transfers or transfer in batch.transfers

    def _hold(self, batch: _Batch, hold: Hold) -> None:
        _check_form(hold)
        if hold.id in self._holds or hold.id in batch.holds:
            raise LedgerError("duplicate_hold", hold.id)
        batch.holds[hold.id] = hold
        _count(batch.counted, hold, pending=hold.amount)

    def _transfer(self, batch: _Batch, cause: str, transfer: Transfer) -> None:
        _check_form(transfer)
        if self._has(transfer.id, batch):
            raise LedgerError("duplicate_transfer", transfer.id)
        batch.transfers[transfer.id] = Written(cause, transfer)
        _count(batch.counted, transfer, posted=transfer.amount)

    def _resolve(self, batch: _Batch, cause: str, resolution: Post | Void) -> None:
        moved = resolution.amount if isinstance(resolution, Post) else None
        if moved is not None:
            _check_amount(resolution.hold_id, moved)
        hold = batch.holds.get(resolution.hold_id) or self._holds.get(resolution.hold_id)
        if hold is None:
            raise LedgerError("unknown_hold", resolution.hold_id)
        if isinstance(resolution, Post) and moved is None:
            moved = hold.amount
        if moved is not None and moved > hold.amount:
            raise LedgerError("over_post", f"{hold.id}: {moved} of {hold.amount}")
        if hold.id in self._resolutions or hold.id in batch.resolutions:
            raise LedgerError("hold_resolved", hold.id)
        batch.resolutions[hold.id] = moved
        _count(batch.counted, hold, pending=-hold.amount)
        if moved is not None:
            transfer = Transfer(hold.id, hold.debit, hold.credit, moved, hold.purpose, hold.order_id)
            self._transfer(batch, cause, transfer)

    def _check_currencies(self) -> Iterable[Finding]:
        sums: dict[str, int] = defaultdict(int)
        for row, counters in self._rows.items():
            sums[account_of(row).currency] += counters.balance
        for currency, total in sums.items():
            if total:
                yield Finding("currency_not_zero", currency, currency, 0, total)

    def _check_rows(self) -> Iterable[Finding]:
        counted: dict[str, Counters] = {}
        for _, transfer in self._transfers.values():
            _count(counted, transfer, posted=transfer.amount)
        for hold in self.pending().values():
            _count(counted, hold, pending=hold.amount)
        for row in counted.keys() | self._rows.keys():
            is_now, should_be = self.row(row), counted.get(row, NOTHING)
            account = account_of(row)
            if is_now[:2] != should_be[:2]:
                yield Finding("account_differs", row, account.currency, should_be.balance, is_now.balance)
            if is_now[2:] != should_be[2:]:
                expected, found = should_be.debits_pending, is_now.debits_pending
                yield Finding("pending_differs", row, account.currency, expected, found)
            if account.kind in NEVER_NEGATIVE and is_now.available < 0:
                yield Finding("account_negative", row, account.currency, 0, is_now.available)

    def _check_orders(self) -> Iterable[Finding]:
        orders: dict[str, list[Transfer]] = defaultdict(list)
        for _, transfer in self._transfers.values():
            orders[transfer.order_id].append(transfer)
        for order_id, transfers in orders.items():
            for currency, lies in places.where(transfers).items():
                yield from findings.of_order(order_id, currency, lies)
            for transfer in transfers:
                for account in (transfer.debit, transfer.credit):
                    if account.kind is Kind.HOLD and not account.owner.startswith(f"{order_id}/"):
                        yield Finding("hold_of_another_order", transfer.id, account.currency, 0, transfer.amount)


def _check_amount(id: str, amount: int) -> None:
    if abs(amount) > MAX_MINOR_UNITS:
        raise LedgerError("amount_too_large", id)
    if amount <= 0:
        raise LedgerError("non_positive_amount", f"{id}: {amount}")


def _judge(rows: Mapping[str, Counters]) -> None:
    """Refuses what no row may come to. All of them for their range first, as the database does."""
    for row, counters in rows.items():
        if max(counters) > MAX_MINOR_UNITS or counters.available < -MAX_MINOR_UNITS - 1:
            raise LedgerError("amount_too_large", row)
    for row, counters in rows.items():
        if counters.available < 0 and account_of(row).kind in NEVER_NEGATIVE:
            raise LedgerError("insufficient_funds", row)


def _check_texts(*texts: str) -> None:
    for text in texts:
        if not text or "\x1f" in text or "\0" in text:
            raise LedgerError("invalid_text", repr(text))


def _check_form(posting: Transfer | Hold) -> None:
    _check_texts(posting.id, posting.order_id, posting.purpose)
    _check_amount(posting.id, posting.amount)
    if posting.debit == posting.credit:
        raise LedgerError("same_account", posting.id)
    if posting.debit.currency != posting.credit.currency:
        raise LedgerError("currency_mismatch", posting.id)
    for account in (posting.debit, posting.credit):
        if not account.owner or "#" in account.owner or not _is_currency(account.currency):
            raise LedgerError("invalid_account", f"{posting.id}: {account}")


def _is_currency(text: str) -> bool:
    return len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()


def _count(rows: dict[str, Counters], posting: Transfer | Hold, posted: int = 0, pending: int = 0) -> None:
    debit, credit = row_id(posting.debit, posting.order_id), row_id(posting.credit, posting.order_id)
    rows[debit] = rows.get(debit, NOTHING).plus(Counters(debits_posted=posted, debits_pending=pending))
    rows[credit] = rows.get(credit, NOTHING).plus(Counters(credits_posted=posted, credits_pending=pending))
