"""How many instances of an aggregate stand in each state, kept up with every batch.

Counting the rows when somebody asks would read every state there is, and an index on the state would be rewritten with
every step of every order. So a batch appends what it moved, netted: a handful of rows in its own transaction, however
many messages it has. The sum of them is exact at every commit, and reading it costs the same at a million orders.
"""

from collections import Counter
from collections.abc import Mapping

from runtime.db import Connection
from runtime.decision import Ref, Service, States
from runtime.fold import Versioned
from runtime.writes import Write

Moves = Mapping[tuple[str, str], int]
"""Changes by aggregate and state."""


def counted(service: Service) -> Mapping[str, States]:
    """The aggregates of a service that are counted, by name."""
    return {each.name: each.states for each in service.aggregates if each.states}


def moves(counted: Mapping[str, States], before: Mapping[Ref, Versioned], after: Mapping[Ref, Versioned]) -> Moves:
    """What changed from `before` (a ref that is missing there did not exist) to `after`; states that come out even are
    left out. Pure."""
    if not counted:
        return {}
    net: Counter[tuple[str, str]] = Counter()
    for ref, now in after.items():
        states = counted.get(ref.aggregate)
        if states is None:
            continue
        was = before.get(ref)
        left = states(was.state) if was and was.state is not None else ()
        entered = states(now.state)
        if left == entered:
            continue
        for state in left:
            net[ref.aggregate, state] -= 1
        for state in entered:
            net[ref.aggregate, state] += 1
    return {place: change for place, change in net.items() if change}


def writes(moved: Moves) -> list[Write]:
    """What writes changes down, in the transaction that makes them."""
    if not moved:
        return []
    columns = [aggregate for aggregate, _ in moved], [state for _, state in moved], list(moved.values())
    return [Write("INSERT INTO census SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])", columns)]


async def read(connection: Connection) -> Moves:
    """How many there are now."""
    rows = await connection.fetch("SELECT aggregate, state, sum(change)::bigint FROM census GROUP BY 1, 2", timeout=2)
    return {(row[0], row[1]): row[2] for row in rows}


async def add_up(connection: Connection) -> None:
    """Puts one row in the place of the many for each state. Batches go on meanwhile: what they append is not visible
    here, and so is left for the next time."""
    await connection.execute(
        "WITH taken AS (DELETE FROM census RETURNING aggregate, state, change) "
        "INSERT INTO census SELECT aggregate, state, sum(change) FROM taken GROUP BY 1, 2 HAVING sum(change) <> 0"
    )
