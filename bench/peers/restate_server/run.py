"""Runs the contract on Restate: its server with a log on disk, workers of the Python SDK behind it."""

import asyncio
import contextlib
import json
import sys
import time
import urllib.request
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.peers import engine, outside

PEER, CLUSTER = "restate", "market"
READY_WITHIN = 60.0
"""Seconds."""
PARTITIONS = 4
"""Of the server: two to a core. By default 24, for more cores than these."""


async def run(asked: Namespace, server: Path) -> dict[str, Any]:
    place = await outside.prepare(asked.postgres, asked.kafka, PEER)
    ingress, admin, fabric, service = engine.free_ports(4)
    asked.folder.mkdir(parents=True, exist_ok=True)
    settings = asked.folder / "restate.toml"
    settings.write_text(configuration(asked, ingress, admin, fabric))
    with contextlib.ExitStack() as running:
        worker = running.enter_context(
            engine.program(
                workers_command(asked.workers, service),
                asked.folder / "workers.log",
                {
                    "PEER_POSTGRES": place.database,
                    "PEER_KAFKA": asked.kafka,
                    "PEER_TOPIC": place.events,
                },
            )
        )
        # Started last and so stopped first: workers wait for its open connections before they end.
        node = running.enter_context(
            engine.program(
                [str(server), "--config-file", str(settings)],
                asked.folder / "restate.log",
                {"RESTATE_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"},
            )
        )
        await asyncio.to_thread(register, admin, service, place)
        result = await engine.measure(asked, place, PEER, release(server), {"workers": [worker], "server": [node]})
    return {**result, "notes": f"Python SDK {version('restate-sdk')}, {asked.workers} worker(s), fsync of the log on"}


def configuration(asked: Namespace, ingress: int, admin: int, fabric: int) -> str:
    """The server's settings, ports given. The log is written with fsync, as it is by default; said here because it is
    the contract."""
    return f"""
cluster-name = "{CLUSTER}"
node-name = "node"
base-dir = "{asked.folder.absolute() / "data"}"
listen-mode = "tcp"
bind-ip = "127.0.0.1"
bind-port = {fabric}
default-num-partitions = {PARTITIONS}
disable-telemetry = true
log-filter = "warn"

[log-server]
rocksdb-disable-wal-fsync = false

[bifrost.local]
rocksdb-disable-wal = false
rocksdb-disable-wal-fsync = false

[admin]
bind-address = "127.0.0.1:{admin}"
disable-web-ui = true

[ingress]
bind-address = "127.0.0.1:{ingress}"

[[ingress.kafka-clusters]]
name = "{CLUSTER}"
brokers = ["PLAINTEXT://{asked.kafka}"]
"""


def workers_command(workers: int, port: int) -> list[str]:
    """The web server for the SDK: of those that speak HTTP/2 to Python the one that costs least."""
    return [
        str(Path(sys.executable).with_name("granian")),
        *("--interface", "asginl", "--http", "2", "--loop", "uvloop", "--workers", str(workers)),
        *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
        "bench.peers.restate_server.service:app",
    ]


def register(admin: int, service: int, place: outside.Place) -> None:
    """Tells the server of the workers, and to make an invocation of every command in Kafka."""
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            post(admin, "deployments", {"uri": f"http://127.0.0.1:{service}"})
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    source, sink = f"kafka://{CLUSTER}/{place.commands}", "service://Order/run"
    post(admin, "subscriptions", {"source": source, "sink": sink, "options": {"auto.offset.reset": "earliest"}})


def post(port: int, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=READY_WITHIN):
        pass


def release(server: Path) -> str:
    """The version of the package that the program came in."""
    return str(json.loads((server.parent.parent / "package.json").read_text())["version"])


def main() -> None:
    asked = engine.arguments("restate_server", workers=1, window=400).parse_args()
    found = sorted(engine.FETCHED.glob("node_modules/@restatedev/restate-server-*/bin/restate-server"))
    if not found:
        engine.unavailable(PEER, "its server was not fetched; run: make bench-peers")
    print(json.dumps(asyncio.run(run(asked, found[0]))))


if __name__ == "__main__":
    main()
