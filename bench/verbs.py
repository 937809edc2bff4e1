"""What an operator waits for who asks about one order or all topics: the answer of the command line, and the whole of
its process, which the interpreter's start and imports are most of."""

import contextlib
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

from bench.outside import PROJECT, BenchFailed
from bench.result import Result
from bench.system import System
from holdfast.addresses import Addresses
from holdfast.order import show
from holdfast.watching import show_flows

GOAL_MS = 300.0


def answers(system: System, order_id: str, present: int, repeats: int) -> Iterator[Result]:
    """Milliseconds, with so many orders in the tables. Raises BenchFailed."""
    known = system.folder / "stack.json"
    known.write_text(json.dumps(asdict(_addresses(system))))
    order = partial(show, order_id, None, system.folder, as_json=False)
    flows = partial(show_flows, watch=False, observed=False, folder=system.folder, as_json=False)
    try:
        for measure, words, verb in (("X4", ("order", "show", order_id), order), ("X6", ("flows",), flows)):
            what = f"`holdfast {' '.join(words[:2])}` with {present:,} orders in the tables"
            yield Result(measure, f"{what}: its answer", "ms", _timed(partial(_answered, verb), repeats), GOAL_MS)
            command = [sys.executable, "-m", "holdfast", *words, f"--folder={system.folder}"]
            yield Result(measure, f"{what}: the whole process", "ms", _timed(partial(_ended, command), repeats))
    finally:
        known.unlink()


def _timed(call: Callable[[], None], repeats: int) -> list[float]:
    call()
    taken = []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


def _answered(verb: Callable[[], None]) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        verb()
    if not out.getvalue():
        raise BenchFailed("no_answer", f"{verb} told nothing")


def _ended(command: list[str]) -> None:
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout:
        raise BenchFailed("no_answer", f"{' '.join(command)} ended with code {done.returncode}: {done.stderr}")


def _addresses(system: System) -> Addresses:
    services = {name: [f"http://127.0.0.1:{port}" for port in ports] for name, ports in system.ports.items()}
    return Addresses(
        pid=0,
        postgres=system.postgres.dsn(),
        kafka=system.kafka.bootstrap,
        clock=f"virtual:{system.folder / 'clock'}",
        services={name: some[0] for name, some in services.items()},
        databases=system.databases,
        keys=str(system.keys),
    )
