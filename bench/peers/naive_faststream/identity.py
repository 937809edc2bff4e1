"""The identity service: screens every paid order of a buyer."""

from typing import Annotated

from faststream import Depends

from bench.peers.naive_faststream import messages as m
from bench.peers.naive_faststream.service import Service, Work, ignore, is_a

RISKY = 100_000_00
"""Minor units that a buyer has ordered, from which on each order scores."""

SCHEMA = """
CREATE TABLE accounts (
    person_id text PRIMARY KEY,
    screened  integer NOT NULL,
    ordered   bigint NOT NULL
);
"""

service = Service("identity", SCHEMA)
Tx = Annotated[Work, Depends(service.work)]
commands = service.subscriber("identity.commands")


@commands(filter=is_a(m.ScreenOrder))
async def screen(command: m.ScreenOrder, work: Tx) -> None:
    ordered = await work.db.fetchval(
        "INSERT INTO accounts AS a (person_id, screened, ordered) VALUES ($1, 1, $2) ON CONFLICT (person_id)"
        " DO UPDATE SET screened = a.screened + 1, ordered = a.ordered + excluded.ordered RETURNING ordered",
        command.buyer_id,
        command.amount.amount,
    )
    score = min(ordered // RISKY, 9)
    await work.send(m.OrderCleared(order_id=command.order_id, buyer_id=command.buyer_id, score=score))


commands(ignore)

if __name__ == "__main__":
    service.run()
