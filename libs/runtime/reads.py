"""What a batch has to know before it decides, asked with one statement, as what it writes is sent (see `writes.py`)."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import asyncpg

from runtime.db import Connection, Pool


class Read(NamedTuple):
    """A SELECT of an id (text), a version (bigint) and a document (json), with its one argument. `first` is an INSERT
    of the same argument that is done before, and that it knows as `inserted`; one of those read together may have such.
    """

    sql: str
    argument: Any
    first: str = ""


async def read(connection: Connection | Pool, reads: Sequence[Read]) -> list[list[asyncpg.Record]]:
    """What each of them found: records of its number, id, version and document. They are done in this order, and wait
    in it for what others hold locked, but all see the database as it was when the first one began: what those have done
    who were waited for is seen in rows that are locked here, and nowhere else."""
    found: list[list[asyncpg.Record]] = [[] for _ in reads]
    if reads:
        sql = _together(tuple((one.sql, one.first) for one in reads))
        for record in await connection.fetch(sql, *(one.argument for one in reads)):
            found[record[0]].append(record)
    return found


@lru_cache(maxsize=256)
def _together(reads: tuple[tuple[str, str], ...]) -> str:
    """One statement of many, with their parameters numbered on."""
    firsts, parts = [], []
    for number, (sql, first) in enumerate(reads):
        place = f"${number + 1}"
        parts.append(f"SELECT {number}, part.* FROM ({sql.replace('$1', place)}) AS part (id, version, document)")
        firsts += [f"WITH inserted AS ({first.replace('$1', place)}) "] if first else []
    return "".join(firsts) + " UNION ALL ".join(parts)
