"""Names of rows, shards and places."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.message import PARTITIONS
from contracts.partition import partition_of
from ledger.naming import SHARDS, account_of, row_id, row_ids, shard_of
from ledger.places import place
from ledger.postings import HOT, Account, Kind

OWNERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}(/[1-9][0-9]{0,3})?", fullmatch=True)
ACCOUNTS = st.builds(Account, st.sampled_from(Kind), OWNERS, st.sampled_from(["EUR", "JPY", "KWD"]))


@given(ACCOUNTS, OWNERS)
def test_a_row_is_named_so_that_its_account_can_be_read_off(account: Account, order_id: str) -> None:
    row = row_id(account, order_id)
    assert row in row_ids(account)
    assert account_of(row) == account


def test_only_hot_accounts_have_several_rows() -> None:
    assert {kind for kind in Kind if len(row_ids(Account(kind, "x", "EUR"))) > 1} == HOT


@pytest.mark.parametrize("partitions", [PARTITIONS, 12, 24])
def test_the_rows_of_a_partitions_orders_are_few_and_its_own(partitions: int) -> None:
    # Given replicas that share the partitions between them, what do two of them meet on?
    shards: dict[int, set[int]] = {}
    for number in range(2000):
        order_id = f"order-{number}"
        shards.setdefault(partition_of(order_id.encode(), partitions), set()).add(shard_of(order_id))
    assert [len(used) for used in shards.values()] == [1] * partitions
    spread = Counter(next(iter(used)) for used in shards.values())
    assert set(spread.values()) == {partitions // SHARDS}


@pytest.mark.parametrize(
    ("debit", "credit", "from_", "to"),
    [
        (Kind.CLEARING, Kind.HOLD, "funded", "held"),
        (Kind.HOLD, Kind.PAYABLE, "held", "payable"),
        (Kind.HOLD, Kind.FEES, "held", "fees"),
        (Kind.PAYABLE, Kind.PAYOUT_TRANSIT, "payable", "payout_in_transit"),
        (Kind.PAYOUT_TRANSIT, Kind.CLEARING, "payout_in_transit", "paid_out"),
        (Kind.PAYABLE, Kind.CLEARING, "payable", "paid_out"),
        (Kind.CLEARING, Kind.PAYABLE, "paid_out", "payable"),
        (Kind.HOLD, Kind.REFUND_TRANSIT, "held", "refund_in_transit"),
        (Kind.REFUND_TRANSIT, Kind.CLEARING, "refund_in_transit", "refunded"),
        (Kind.HOLD, Kind.CLEARING, "held", "refunded"),
        (Kind.CHARGEBACK, Kind.CLEARING, "chargeback", "charged_back"),
        (Kind.CLEARING, Kind.CHARGEBACK, "charged_back", "chargeback"),
        (Kind.CLEARING, Kind.DEPOSIT, "funded", "deposit"),
        (Kind.DEPOSIT, Kind.CLEARING, "deposit", "paid_out"),
        (Kind.FUND, Kind.CLEARING, "fund", "spent"),
        (Kind.CLEARING, Kind.CLEARING, "funded", "funded"),
    ],
)
def test_a_transfer_moves_money_from_place_to_place(debit: Kind, credit: Kind, from_: str, to: str) -> None:
    assert place(debit, credit, credited=False) == from_
    assert place(credit, debit, credited=True) == to
