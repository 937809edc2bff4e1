"""What an account's row is called in the book: `kind:owner:currency`, that of a hot kind `kind:owner#shard:currency`.

The shard follows from the order alone, so what an order puts into a hot account it takes out of the same row: that is
why every single row of a never-negative hot kind can be held to zero. It is made as Kafka makes a partition of a key:
where a topic's partitions are a multiple of the shards, all orders of a partition share one shard, so replicas, which
share the partitions out between them, seldom want the same row, while one replica alone still touches few, for what a
batch saves by netting must not be lost by spreading.
"""

from functools import lru_cache

from contracts.partition import partition_of
from ledger.postings import HOT, Account, Kind

SHARDS = 4
"""Rows of one hot account. Never change it on a book in use: an order would look for its money on another row than the
one it put it on."""


@lru_cache(maxsize=4096)
def shard_of(order_id: str) -> int:
    """The shard of every hot account that this order uses: 0 to `SHARDS` − 1."""
    return partition_of(order_id.encode(), SHARDS)


def row_id(account: Account, order_id: str) -> str:
    """The row of `account` that `order_id` uses: `hold:order-1/1:EUR`, `clearing:cards#3:EUR`."""
    if account.kind in HOT:
        return f"{account.kind}:{account.owner}#{shard_of(order_id)}:{account.currency}"
    return f"{account.kind}:{account.owner}:{account.currency}"


def row_ids(account: Account) -> list[str]:
    """All rows that `account` may have."""
    if account.kind in HOT:
        return [f"{account.kind}:{account.owner}#{shard}:{account.currency}" for shard in range(SHARDS)]
    return [f"{account.kind}:{account.owner}:{account.currency}"]


def account_of(row_id: str) -> Account:
    """The account that a row belongs to. Raises ValueError when `row_id` is not the name of a row."""
    kind, rest = row_id.split(":", 1)
    owner, currency = rest.rsplit(":", 1)
    return Account(Kind(kind), owner.partition("#")[0], currency)
