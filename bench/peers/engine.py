"""How an engine is run and measured: its command line, its processes, and its line of JSON."""

import argparse
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from bench import meter
from bench.peers import outside
from bench.plan import Mix

PROJECT = Path(__file__).resolve().parent.parent.parent
FETCHED = Path(sys.prefix)
"""What was fetched for the peer that runs: its virtual environment, and its server in there too."""
STOP_WITHIN = 20.0
"""Seconds."""
LISTENING = (10_000, 32_768)
"""Temporal keeps ports in a column that holds no larger ones."""
WARM_UP = 5
"""A fifth of the orders is done before anything is measured, and no fewer than a hundred: brokers and servers run
code that is compiled as they go."""


def arguments(peer: str, *, workers: int, window: int) -> argparse.ArgumentParser:
    """The options of every engine; `workers` and `window` are what was found best for it on two cores."""
    parser = argparse.ArgumentParser(prog=f"bench.peers.{peer}.run")
    parser.add_argument("--orders", type=int, required=True)
    parser.add_argument("--postgres", required=True, help="URL, of a user who may make databases")
    parser.add_argument("--kafka", required=True, help="host:port")
    parser.add_argument("--folder", type=Path, required=True, help="for data and logs")
    parser.add_argument("--postgres-pid", type=int, help="whose CPU time is counted too")
    parser.add_argument("--kafka-pid", type=int, help="whose CPU time is counted too")
    parser.add_argument("--workers", type=int, default=workers, help="processes that run the steps")
    parser.add_argument("--window", type=int, default=window, help="orders in flight")
    return parser


async def measure(
    asked: argparse.Namespace, place: outside.Place, peer: str, version: str, roots: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Warms up, then completes the orders; returns what the report wants to know."""
    mix = Mix()
    servers = {"postgres": asked.postgres_pid, "kafka": asked.kafka_pid}
    metered = {**roots, **{name: [pid] for name, pid in servers.items() if pid}}
    await outside.drain(asked.kafka, place, mix, "warm", max(asked.orders // WARM_UP, 100), asked.window)
    before = meter.read(metered)
    drained = await outside.drain(asked.kafka, place, mix, "run", asked.orders, asked.window)
    used = meter.used(before, meter.read(metered))
    return {
        "peer": peer,
        "version": version,
        "orders": asked.orders,
        "completed": drained.completed,
        "seconds": round(drained.seconds, 3),
        "balanced": await outside.balanced(place, mix, "run", asked.orders),
        "cpu_seconds": {name: round(seconds, 3) for name, seconds in used.cpu.items()},
        "load_cpu_seconds": round(drained.cpu_seconds, 3),
    }


def unavailable(peer: str, reason: str) -> NoReturn:
    """Says why there is nothing to measure, as the peer's line of JSON, and ends."""
    print(json.dumps({"peer": peer, "unavailable": reason}))
    sys.exit()


@contextlib.contextmanager
def program(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Runs a program in the project's folder, its output in `log`; gives its process id, and stops it in the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN)
        # What it started and left behind is of its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on just now, below those that systems give to connections."""
    with contextlib.ExitStack() as taken:
        return [_take_port(taken) for _ in range(count)]


def _take_port(taken: contextlib.ExitStack) -> int:
    while True:
        port = random.randrange(*LISTENING)
        one = taken.enter_context(socket.socket())
        with contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
