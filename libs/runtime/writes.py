"""What a batch writes, sent as one statement: a round trip costs as much as some thirty rows, more while others run."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from runtime.db import Connection

_PARAMETER = re.compile(r"\$(\d+)")


class ConcurrentUpdate(Exception):
    """Somebody else saved one of these aggregates in between: load again and decide anew."""


class Write(NamedTuple):
    """An INSERT, UPDATE or DELETE with its arguments. `rows` is how many rows it has to touch, None where that says
    nothing. No two of a batch may touch the same row."""

    sql: str
    arguments: Sequence[Any]
    rows: int | None = None


async def write(connection: Connection, writes: Sequence[Write]) -> None:
    """Does all of them at once: none sees what another one writes. Raises `ConcurrentUpdate` where one touched fewer
    rows than it had to; the transaction can only be rolled back then."""
    if not writes:
        return
    sql = _together(tuple((one.sql, one.rows is not None) for one in writes))
    touched = await connection.fetchrow(sql, *(argument for one in writes for argument in one.arguments))
    counted = [one for one in writes if one.rows is not None]
    for one, rows in zip(counted, touched or (), strict=True):
        if rows != one.rows:
            raise ConcurrentUpdate(f"{rows} of {one.rows} rows: {one.sql[:40]}…")


@lru_cache(maxsize=512)
def _together(writes: tuple[tuple[str, bool], ...]) -> str:
    """One statement of many, with their parameters numbered on; it returns the rows that the counted ones touched."""
    parts, counts, before = [], [], 0
    for number, (sql, counted) in enumerate(writes):
        parts.append(f"w{number} AS ({_numbered_on(sql, before)}{' RETURNING 1' if counted else ''})")
        counts += [f"(SELECT count(*) FROM w{number})"] if counted else []
        before += max(map(int, _PARAMETER.findall(sql)))
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts)}"


def _numbered_on(sql: str, before: int) -> str:
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + before}", sql)
