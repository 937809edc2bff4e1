"""What the carrier's table tells of all parcels."""

import asyncpg


async def fates_met(pool: asyncpg.Pool | asyncpg.Connection) -> dict[str, int]:
    """How many parcels met each fate."""
    rows = await pool.fetch(
        "SELECT state->>'met' AS met, count(*) AS parcels FROM parcels WHERE state->>'met' <> '' GROUP BY 1 ORDER BY 1"
    )
    return {row["met"]: row["parcels"] for row in rows}
