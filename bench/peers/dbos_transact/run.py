"""Runs the contract on DBOS Transact: worker processes over the PostgreSQL of the orders, no server besides."""

import asyncio
import contextlib
import json
import sys
from argparse import Namespace
from importlib.metadata import version
from typing import Any

from bench.peers import engine, outside

PEER = "dbos"


async def run(asked: Namespace) -> dict[str, Any]:
    place = await outside.prepare(asked.postgres, asked.kafka, PEER)
    asked.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as running:
        workers = [
            running.enter_context(
                engine.program(worker_command(asked, place, number), asked.folder / f"worker-{number}.log")
            )
            for number in range(asked.workers)
        ]
        result = await engine.measure(asked, place, PEER, version("dbos"), {"workers": workers})
    return {**result, "notes": f"{asked.workers} worker(s), its Kafka consumer and queue, steps in threads"}


def worker_command(asked: Namespace, place: outside.Place, number: int) -> list[str]:
    return [
        *(sys.executable, "-m", "bench.peers.dbos_transact.worker", "--number", str(number)),
        *("--postgres", place.database, "--kafka", asked.kafka, "--commands", place.commands),
        *("--events", place.events, "--ship-by", str(outside.SHIP_BY)),
    ]


def main() -> None:
    asked = engine.arguments("dbos_transact", workers=2, window=100).parse_args()
    print(json.dumps(asyncio.run(run(asked))))


if __name__ == "__main__":
    main()
