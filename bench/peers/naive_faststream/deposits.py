"""The deposits service: the guarantee that a seller gives before selling."""

from typing import Annotated

from faststream import Depends

from bench.peers.naive_faststream import messages as m
from bench.peers.naive_faststream.service import Service, Work, ignore, is_a

SCHEMA = """
CREATE TABLE deposits (seller_id text PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0));
CREATE TABLE entries (
    seller_id text NOT NULL REFERENCES deposits,
    movement  text NOT NULL,
    account   text NOT NULL,
    amount    bigint NOT NULL,
    PRIMARY KEY (seller_id, movement, account)
);
"""

service = Service("deposits", SCHEMA)
Tx = Annotated[Work, Depends(service.work)]
commands = service.subscriber("deposits.commands")


@commands(filter=is_a(m.OpenDeposit))
async def open_deposit(command: m.OpenDeposit, work: Tx) -> None:
    seller_id, amount = command.seller_id, command.amount.amount
    await work.db.execute("INSERT INTO deposits (seller_id, balance) VALUES ($1, $2)", seller_id, amount)
    await work.db.execute(
        "INSERT INTO entries (seller_id, movement, account, amount)"
        " VALUES ($1, 'paid', 'provider', -$2::bigint), ($1, 'paid', 'deposit', $2)",
        seller_id,
        amount,
    )
    await work.send(m.DepositActivated(seller_id=seller_id, balance=command.amount))


commands(ignore)

if __name__ == "__main__":
    service.run()
