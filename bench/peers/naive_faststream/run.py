"""Runs the contract on five FastStream services, each a process or several, with a database of its own."""

import asyncio
import contextlib
import json
import sys
import time
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from bench import meter
from bench.peers import engine, outside
from bench.peers.naive_faststream.messages import TOPICS
from bench.peers.naive_faststream.world import World
from bench.plan import Mix, orders

PEER = "naive_faststream"
SERVICES = ("orders", "escrow", "deposits", "disputes", "identity")
PARTITIONS = 12
READY_WITHIN = 60.0
"""Seconds."""
OUTCOMES = {"confirmed": "released", "disputed": "settled", "unshipped": "refunded"}

AUDIT = """
WITH wanted AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS wanted (order_id, status, to_buyer)
), sums AS (
    SELECT order_id,
           coalesce(sum(amount) FILTER (WHERE movement = 'paid_out' AND account = 'provider'), 0) AS to_seller,
           coalesce(sum(amount) FILTER (WHERE movement = 'paid_back' AND account = 'provider'), 0) AS to_buyer
    FROM entries GROUP BY order_id
)
SELECT count(*) = cardinality($1)
       AND bool_and(h.status = w.status AND s.to_buyer = w.to_buyer AND s.to_seller = h.amount - w.to_buyer)
       AND NOT EXISTS (SELECT FROM entries GROUP BY order_id, movement HAVING sum(amount) <> 0)
       AND NOT EXISTS (SELECT FROM entries GROUP BY order_id, account HAVING sum(amount) <> 0)
FROM wanted w JOIN holds h USING (order_id) JOIN sums s USING (order_id)
"""


async def run(asked: Namespace) -> dict[str, Any]:
    mix, market = Mix(), f"{PEER}_{int(time.time())}"
    for service in SERVICES:
        await outside.make_database(asked.postgres, f"{market}_{service}")
    await make_topics(asked.kafka, f"{market}.")
    asked.folder.mkdir(parents=True, exist_ok=True)
    clock, ready = asked.folder / "clock", asked.folder / "ready"
    clock.write_text("0")
    ready.mkdir(exist_ok=True)
    database = f"{asked.postgres.rpartition('/')[0]}/{market}"
    environment = {
        "PEER_MARKET": f"{market}.",
        "PEER_POSTGRES": database,
        "PEER_KAFKA": asked.kafka,
        "PEER_CLOCK": str(clock),
        "PEER_READY": str(ready),
    }
    with contextlib.ExitStack() as running:
        pids = [
            running.enter_context(
                engine.program(
                    [sys.executable, "-m", f"bench.peers.{PEER}.{service}"],
                    asked.folder / f"{service}-{number}.log",
                    environment,
                )
            )
            for service in SERVICES
            for number in range(asked.workers)
        ]
        await all_there(ready, len(pids))
        async with World(asked.kafka, f"{market}.", clock) as world:
            await world.admit_sellers(mix)
            await world.drain(mix, "warm", max(asked.orders // engine.WARM_UP, 100), asked.window)
            metered = {"workers": pids, "postgres": [asked.postgres_pid], "kafka": [asked.kafka_pid]}
            metered = {name: [pid for pid in pids if pid] for name, pids in metered.items()}
            before = meter.read(metered)
            drained = await world.drain(mix, "run", asked.orders, asked.window)
            used = meter.used(before, meter.read(metered))
        balanced = await balances(f"{database}_escrow", mix, "run", asked.orders)
    return {
        "peer": PEER,
        "version": version("faststream"),
        "orders": asked.orders,
        "completed": drained.completed,
        "seconds": round(drained.seconds, 3),
        "balanced": balanced,
        "cpu_seconds": {name: round(seconds, 3) for name, seconds in used.cpu.items()},
        "load_cpu_seconds": round(drained.cpu_seconds, 3),
        "notes": f"{asked.workers} process(es) a service; {drained.read / asked.orders:.1f} messages an order read"
        f" outside, {drained.bytes / max(drained.read, 1):.0f} bytes each",
    }


async def make_topics(kafka: str, market: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(market + topic, PARTITIONS, 1) for topic in TOPICS])
    finally:
        await admin.close()


async def all_there(ready: Path, count: int) -> None:
    """Waits until so many services have opened their databases."""
    deadline = time.monotonic() + READY_WITHIN
    while len(sorted(ready.iterdir())) < count:  # noqa: ASYNC240, nothing else runs here
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all services were ready within {READY_WITHIN:g} s")
        await asyncio.sleep(0.1)


async def balances(database: str, mix: Mix, run: str, count: int) -> bool:
    """Whether every order ended as its fate says, everyone has what is theirs, nothing is left in any account of an
    order, and every movement sums to zero."""
    placed = list(orders(mix, run, count))
    connection = await asyncpg.connect(database)
    try:
        return bool(
            await connection.fetchval(
                AUDIT,
                [order.order_id for order in placed],
                [OUTCOMES[order.fate] for order in placed],
                [order.to_buyer for order in placed],
            )
        )
    finally:
        await connection.close()


def main() -> None:
    asked = engine.arguments(PEER, workers=1, window=100).parse_args()
    print(json.dumps(asyncio.run(run(asked))))


if __name__ == "__main__":
    main()
