"""What an account is called in the book: `kind:owner:currency`, a hot one with its shard, `kind:owner#shard:currency`.

The shard follows from the order alone, so whatever an order puts into a hot account it takes out of the same row: that
is why a row of a never-negative hot kind can be held to zero by itself. It is the order's Kafka partition folded onto
few rows, so that replicas, which share the partitions between them, seldom want the same row, while one replica alone
still touches few: what a batch saves by netting it must not lose by spreading.
"""

from functools import lru_cache
from typing import NamedTuple

from contracts.partition import partition_of
from ledger.postings import HOT, Account, Kind

SHARDS = 4
"""Rows of one hot account. A divisor of the number of partitions. Never change it on a book in use: an order would look
for what it put in on another row than it left it."""


class Place(NamedTuple):
    """An account and which of its rows."""

    account: Account
    shard: int


@lru_cache(maxsize=4096)
def shard_of(order_id: str) -> int:
    """The shard of every hot account that this order uses, 0 to `SHARDS` − 1."""
    return partition_of(order_id.encode()) % SHARDS


def account_id(account: Account, order_id: str) -> str:
    """The row of `account` that `order_id` uses: `hold:order-1/1:EUR`, `clearing:cards#3:EUR`."""
    if account.kind in HOT:
        return f"{account.kind}:{account.owner}#{shard_of(order_id)}:{account.currency}"
    return f"{account.kind}:{account.owner}:{account.currency}"


def place(id: str) -> Place:
    """Reads an account id; ValueError when it is none."""
    kind, rest = id.split(":", 1)
    owner, currency = rest.rsplit(":", 1)
    owner, _, shard = owner.partition("#")
    return Place(Account(Kind(kind), owner, currency), int(shard or 0))
