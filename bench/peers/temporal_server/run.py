"""Runs the contract on Temporal: its server on the benchmark's PostgreSQL, workers of the Python SDK."""

import asyncio
import contextlib
import json
import subprocess
import sys
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.peers import engine, outside
from bench.peers.temporal_server import server

PEER = "temporal"


async def run(asked: Namespace, programs: Path) -> dict[str, Any]:
    place = await outside.prepare(asked.postgres, asked.kafka, PEER)
    stores = server.make_databases(programs / "sql", place.database, place.database.rpartition("/")[2])
    ports = engine.free_ports(server.PORTS)
    asked.folder.mkdir(parents=True, exist_ok=True)
    settings = server.write_settings(asked.folder.absolute(), place.database, stores, ports)
    command = [str(programs / "server"), "--config-file", str(settings), "--allow-no-auth", "start"]
    with contextlib.ExitStack() as running:
        node = running.enter_context(engine.program(command, asked.folder / "server.log"))
        await server.make_namespace(ports[0])
        workers = [
            running.enter_context(
                engine.program(worker_command(asked, place, ports[0]), asked.folder / f"worker-{number}.log")
            )
            for number in range(asked.workers)
        ]
        peer = f"{PEER}, local activities" if asked.local else PEER
        result = await engine.measure(asked, place, peer, release(programs), {"workers": workers, "server": [node]})
    return {**result, "notes": f"Python SDK {version('temporalio')}, {asked.workers} worker(s), server on PostgreSQL"}


def worker_command(asked: Namespace, place: outside.Place, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "bench.peers.temporal_server.worker"),
        *("--server", f"127.0.0.1:{port}", "--namespace", server.NAMESPACE),
        *("--postgres", place.database, "--kafka", asked.kafka),
        *("--commands", place.commands, "--events", place.events, "--ship-by", str(outside.SHIP_BY)),
        *(["--local"] if asked.local else []),
    ]


def release(programs: Path) -> str:
    """The version that the server says it is."""
    said = subprocess.run([programs / "server", "--version"], check=True, capture_output=True, text=True)
    return said.stdout.split()[-1]


def main() -> None:
    parser = engine.arguments("temporal_server", workers=1, window=200)
    parser.add_argument("--local", action="store_true", help="run steps as local activities")
    asked = parser.parse_args()
    programs = engine.FETCHED / "bin"
    if not (programs / "server").exists():
        engine.unavailable(PEER, "its server was not built; run: make bench-peers")
    print(json.dumps(asyncio.run(run(asked, programs))))


if __name__ == "__main__":
    main()
