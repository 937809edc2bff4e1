"""Aggregates in PostgreSQL: load many, locked; write many, by compare-and-set on the version.

An aggregate is a row of id, version, the columns that queries need, and the state as one JSON document.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import asyncpg
import msgspec

from runtime.columns import column, rows, texts
from runtime.db import Connection, Pool
from runtime.decision import Aggregate, Ref, Service
from runtime.fold import ABSENT, Versioned
from runtime.reads import Read, read
from runtime.writes import Write

_Row = tuple[str, int, int, Any]
"""Id, version, version before, state."""


class Loaded(NamedTuple):
    """Aggregates as they are, and what was read before them."""

    states: dict[Ref, Versioned]
    first: list[list[asyncpg.Record]]


# Documents stay texts, which nobody takes apart on the way. What separates them stands in no JSON, which escapes it.
_DOCUMENTS = r"unnest(string_to_array({place}::text, E'\x1f')::json[])"


class Repository:
    """All aggregates of one service. SQL is made once, per aggregate, from its columns."""

    def __init__(self, service: Service) -> None:
        self._tables = [_Table(aggregate) for aggregate in service.aggregates]

    async def load(
        self,
        connection: Connection,
        locked: Collection[Ref],
        looked_at: Collection[Ref] = (),
        first: Sequence[Read] = (),
    ) -> Loaded:
        """States by ref; those that do not exist are missing. `first` is read before them, with one statement. `locked`
        rows are locked in one global order (aggregates as the service lists them, then ids), so two batches never wait
        for each other in a circle."""
        states: dict[Ref, Versioned] = {}
        locks = self._by_table(locked)
        before, found = len(first), await read(connection, [*first, *(table.lock(ids) for table, ids in locks)])
        for (table, _), records in zip(locks, found[before:], strict=True):
            table.take(records, states)
        # In a statement of its own, which sees all that was done by those whose locks were waited for.
        if others := self._by_table(set(looked_at) - set(locked)):
            found_now = await read(connection, [table.look(ids) for table, ids in others])
            for (table, _), records in zip(others, found_now, strict=True):
                table.take(records, states)
        return Loaded(states, found[:before])

    def _by_table(self, refs: Collection[Ref]) -> list[tuple["_Table", list[str]]]:
        """The ids in order, table by table in order."""
        ids: dict[str, set[str]] = {}
        for ref in refs:
            ids.setdefault(ref.aggregate, set()).add(ref.id)
        return [(table, sorted(ids[table.name])) for table in self._tables if table.name in ids]

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
        states: dict[Ref, Versioned] = {}
        table.take((await read(connection, [table.look([ref.id])]))[0], states)
        return states.get(ref)


class _Table:
    """The statements for one aggregate. Names come from code, never from input."""

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self.name = aggregate.name
        self._columns = aggregate.columns
        self._decode = msgspec.json.Decoder(aggregate.state).decode
        columns = {name: column.type for name, column in aggregate.columns.items()}
        types = {"id": "text", "version": "bigint", "before": "bigint", **columns}
        given = rows(types, {"state": _DOCUMENTS.format(place=f"${len(types) + 1}")})
        names = ["id", "version", "state", *columns]
        self._look_sql = f"SELECT id, version, state FROM {self.name} WHERE id = ANY({texts(1)})"
        self._lock_sql = f"{self._look_sql} ORDER BY id FOR UPDATE"
        self.insert_sql = (
            f"INSERT INTO {self.name} ({', '.join(names)}) "
            f"SELECT {', '.join(f'n.{name}' for name in names)} FROM {given} AS n ON CONFLICT (id) DO NOTHING"
        )
        self.update_sql = (
            f"UPDATE {self.name} AS t SET {', '.join(f'{name} = n.{name}' for name in names[1:])} "
            f"FROM {given} AS n WHERE t.id = n.id AND t.version = n.before"
        )

    def lock(self, ids: Sequence[str]) -> Read:
        """Rows by id, locked in this order."""
        return Read(self._lock_sql, column(ids))

    def look(self, ids: Sequence[str]) -> Read:
        """Rows by id, as they are."""
        return Read(self._look_sql, column(ids))

    def take(self, records: Iterable[asyncpg.Record], states: dict[Ref, Versioned]) -> None:
        """Adds what was read to `states`."""
        name, decode = self.name, self._decode
        for _, id, version, document in records:
            states[Ref(name, id)] = Versioned(decode(document), version)

    def arguments(self, rows: Sequence[_Row]) -> list[Any]:
        """The rows by column, as the statements take them."""
        encode = msgspec.json.encode
        ids, versions, before, states = zip(*rows, strict=True)
        read = [column([each.read(state) for state in states]) for each in self._columns.values()]
        return [column(ids), column(versions), column(before), *read, b"\x1f".join(map(encode, states)).decode()]
