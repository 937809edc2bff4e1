"""Aggregates in PostgreSQL: load many, locked; write many, by compare-and-set on the version.

An aggregate is a row of id, version, the columns that queries need, and the state as one JSON document.
"""

from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from runtime.columns import column, rows, texts
from runtime.db import Connection, Pool
from runtime.decision import Aggregate, Ref, Service
from runtime.fold import ABSENT, Versioned
from runtime.writes import Write

_Row = tuple[str, int, int, Any]
"""Id, version, version before, state."""

# Documents stay texts, which nobody takes apart on the way. What separates them stands in no JSON, which escapes it.
_DOCUMENTS = r"unnest(string_to_array({place}::text, E'\x1f')::json[])"


class Repository:
    """All aggregates of one service. SQL is made once, per aggregate, from its columns."""

    def __init__(self, service: Service) -> None:
        self._tables = [_Table(aggregate) for aggregate in service.aggregates]

    async def load(
        self, connection: Connection, locked: Collection[Ref], read: Collection[Ref] = ()
    ) -> dict[Ref, Versioned]:
        """States by ref; those that do not exist are missing. `locked` rows are locked in one global order
        (aggregates as the service lists them, then ids), so two batches never wait for each other in a circle."""
        loaded: dict[Ref, Versioned] = {}
        for table in self._tables:
            ids = sorted({ref.id for ref in locked if ref.aggregate == table.name})
            others = sorted({ref.id for ref in read if ref.aggregate == table.name} - set(ids))
            for sql, wanted in ((table.lock_sql, ids), (table.read_sql, others)):
                if wanted:
                    for row in await connection.fetch(sql, column(wanted)):
                        loaded[Ref(table.name, row[0])] = Versioned(table.decode(row[2]), row[1])
        return loaded

    def writes(self, loaded: Mapping[Ref, Versioned], changed: Mapping[Ref, Versioned]) -> list[Write]:
        """What writes `changed`, if all rows still are as they were `loaded`."""
        writes = []
        for table in self._tables:
            new: list[_Row] = []
            old: list[_Row] = []
            for ref, after in changed.items():
                if ref.aggregate == table.name:
                    before = loaded.get(ref, ABSENT)
                    (old if before.version else new).append((ref.id, after.version, before.version, after.state))
            # Two batches that both make these wait for one another in one direction only.
            new.sort(key=itemgetter(0))
            writes += [
                Write(sql, table.arguments(rows), len(rows))
                for sql, rows in ((table.insert_sql, new), (table.update_sql, old))
                if rows
            ]
        return writes

    async def get(self, connection: Connection | Pool, ref: Ref) -> Versioned | None:
        """One aggregate as it is now, not locked."""
        table = next(table for table in self._tables if table.name == ref.aggregate)
        row = await connection.fetchrow(table.read_sql, column([ref.id]))
        return Versioned(table.decode(row[2]), row[1]) if row else None


class _Table:
    """The statements for one aggregate. Names come from code, never from input."""

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self.name = aggregate.name
        self._columns = aggregate.columns
        self.decode = msgspec.json.Decoder(aggregate.state).decode
        columns = {name: column.type for name, column in aggregate.columns.items()}
        types = {"id": "text", "version": "bigint", "before": "bigint", **columns}
        given = rows(types, {"state": _DOCUMENTS.format(place=f"${len(types) + 1}")})
        names = ["id", "version", "state", *columns]
        self.read_sql = f"SELECT id, version, state FROM {self.name} WHERE id = ANY({texts(1)})"
        self.lock_sql = f"{self.read_sql} ORDER BY id FOR UPDATE"
        self.insert_sql = (
            f"INSERT INTO {self.name} ({', '.join(names)}) "
            f"SELECT {', '.join(f'n.{name}' for name in names)} FROM {given} AS n ON CONFLICT (id) DO NOTHING"
        )
        self.update_sql = (
            f"UPDATE {self.name} AS t SET {', '.join(f'{name} = n.{name}' for name in names[1:])} "
            f"FROM {given} AS n WHERE t.id = n.id AND t.version = n.before"
        )

    def arguments(self, rows: Sequence[_Row]) -> list[Any]:
        """The rows by column, as the statements take them."""
        encode = msgspec.json.encode
        ids, versions, before, states = zip(*rows, strict=True)
        read = [column([each.read(state) for state in states]) for each in self._columns.values()]
        return [column(ids), column(versions), column(before), *read, b"\x1f".join(map(encode, states)).decode()]
