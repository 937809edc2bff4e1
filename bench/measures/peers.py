"""Peers: the same contract on other engines, in the same run, on a PostgreSQL and a Kafka of the same settings. Each is
a program of its own in an environment of its own; here they are started one after the other and asked what they did."""

import json
import shutil
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

from bench.measures import Setting
from bench.outside import PROJECT
from bench.result import Result
from bench.system import servers
from holdfast.embedded import Kafka, Postgres
from holdfast.places import home

IDS = ("peers",)
WITHIN = 900.0
"""Seconds for one peer."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """A result for every peer that is written here, fetched or not: one that cannot run says why."""
    for name in names():
        if setting.peers == ("all",) or name in setting.peers:
            setting.say(f"peer {name}")
            yield measured(setting, name)


def names() -> list[str]:
    """The peers written here."""
    folder = PROJECT / "bench" / "peers"
    return sorted(path.parent.name for path in folder.glob("*/run.py"))


def measured(setting: Setting, name: str) -> Result:
    """Runs a peer on empty servers."""
    place = home() / "peers" / name
    python = next(
        (path for path in (place / "bin" / "python", place / "venv" / "bin" / "python") if path.exists()), None
    )
    if python is None:
        failed = place / "failed"
        return _failed(name, failed.read_text().strip() if failed.exists() else "not fetched; say make bench-peers")
    folder = setting.folder / "peers" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with servers(folder, {}) as (postgres, kafka):
            return _run(name, python, folder, postgres, kafka, setting.orders or setting.by_length(100, 400, 3_000))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(name: str, python: Path, folder: Path, postgres: Postgres, kafka: Kafka, orders: int) -> Result:
    command = [str(python), "-m", f"bench.peers.{name}.run", "--orders", str(orders), "--folder", str(folder / "data")]
    command += ["--postgres", postgres.dsn(), "--kafka", kafka.bootstrap]
    command += ["--postgres-pid", str(postgres.pid), "--kafka-pid", str(kafka.pid)]
    try:
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=WITHIN)
    except subprocess.TimeoutExpired:
        return _failed(name, f"not done within {WITHIN:g} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        return _failed(name, f"ended with code {done.returncode}: {' '.join(done.stderr.split())[-200:]}")
    return told(name, lines[-1])


def told(name: str, line: str) -> Result:
    """What the last line of a peer says: completed orders a second, and CPU-ms of all its processes an order."""
    said = json.loads(line)
    if said["completed"] != said["orders"] or not said["balanced"]:
        return _failed(name, f"{said['completed']} of {said['orders']} completed, balanced: {said['balanced']}")
    cpu_ms = {part: seconds * 1000 / said["orders"] for part, seconds in said["cpu_seconds"].items()}
    details = {"cpu_ms": sum(cpu_ms.values()), "by_process": cpu_ms, "notes": said["notes"], "version": said["version"]}
    return Result(
        "peer", f"{said['peer']} {said['version']}", "orders/s", [said["orders"] / said["seconds"]],
        better="higher", details=details,
    )  # fmt: skip


def _failed(name: str, why: str) -> Result:
    return Result("peer", name, "orders/s", [0.0], better="higher", details={"failed": why})
