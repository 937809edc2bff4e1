"""The limits of this machine, in the same run: the disk's flush, PostgreSQL and Kafka with nothing of ours on top."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil  # type: ignore[import-untyped]

from bench import meter
from bench.measures import Setting
from bench.outside import PROJECT, BenchFailed
from bench.result import Result
from bench.system import servers
from holdfast.embedded import Kafka, Postgres
from holdfast.embedded.jars import fetch
from holdfast.topics import provision

IDS = ("floors",)
BATCH, KAFKA_BATCH = 500, 2_000
"""As large as the services' own at most."""
TOPIC = "orders.events.v1"
PRODUCER_TOOL = "org/apache/kafka/tools/ProducerPerformance.class"
"""Kafka's own producer benchmark."""


def take(setting: Setting, wanted: Collection[str]) -> Iterator[Result]:
    """All floors, on servers of their own with the settings of the others."""
    seconds = setting.by_length(1, 3, 5)
    messages = setting.by_length(50_000, 300_000, 500_000)
    folder = setting.folder / "floors"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    with servers(folder, {}) as (postgres, kafka):
        asyncio.run(provision({"bootstrap_servers": kafka.bootstrap}, [TOPIC]))
        dsn = asyncio.run(postgres.create_service("floors"))
        programs = _programs(postgres)
        setting.say("floors: the disk's flush")
        yield from flushes(programs, folder, seconds)
        setting.say("floors: pgbench -N")
        yield from pgbench(programs, postgres, dsn, seconds)
        setting.say("floors: the batched SQL of a money step")
        yield from money_steps(postgres, dsn, messages)
        setting.say("floors: bare aiokafka")
        yield from bare_kafka(kafka, messages, setting.say)
    setting.say("floors: pydantic alone")
    yield from texts(messages)
    shutil.rmtree(folder)


def flushes(programs: Path, folder: Path, seconds: int) -> Iterator[Result]:
    """pg_test_fsync: how often a second a write of 8 KiB reaches the disk."""
    program = programs / "pg_test_fsync"
    if not program.exists():
        return
    command: list[str | Path] = [program, "-s", str(seconds), "-f", folder / "flush.tmp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout
        lines = (re.match(r"\s+fdatasync\s+([\d.]+) ops/sec", line) for line in running.stdout)
        # What follows are methods that PostgreSQL does not use here, and two writes at a time.
        found = next(filter(None, lines), None)
        running.terminate()
    if not found:
        raise BenchFailed("floor_failed", f"{program} told no rate of fdatasync")
    what = "flushes a second (pg_test_fsync, fdatasync)"
    yield Result("floor", what, "flushes/s", [float(found[1])], better="higher")


def pgbench(programs: Path, postgres: Postgres, dsn: str, seconds: int) -> Iterator[Result]:
    """pgbench -N: one-row updates and inserts, a transaction each, prepared."""
    parts = urlsplit(dsn)
    login = [f"--host={parts.hostname}", f"--port={parts.port}", f"--username={parts.username}", parts.path[1:]]
    password = {"PGPASSWORD": parts.password or ""}
    _run([programs / "pgbench", "--initialize", "--quiet", "--scale=10", *login], password)
    for clients in (1, 8):
        options = ["-N", "-M", "prepared", f"--client={clients}", f"--time={seconds}"]
        told, used = _metered({"postgres": [postgres.pid]}, [programs / "pgbench", *options, *login], password)
        transactions = float(re.findall(r"actually processed: (\d+)", told)[0])
        rate = float(re.findall(r"tps = ([\d.]+)", told)[0])
        yield Result(
            "floor", f"pgbench -N, {clients} clients", "transactions/s", [rate], better="higher",
            details={"postgres_us": used.cpu["postgres"] / transactions * 1e6},
        )  # fmt: skip


def money_steps(postgres: Postgres, dsn: str, messages: int) -> Iterator[Result]:
    """See `bench.bare_sql`."""
    command = [sys.executable, "-m", "bench.bare_sql", dsn, str(messages), str(BATCH)]
    told, used = _metered({"postgres": [postgres.pid]}, command)
    yield _bare("batched SQL of a money step, batches of 500", json.loads(told), used.cpu["postgres"], "postgres")


def bare_kafka(kafka: Kafka, messages: int, say: Callable[[str], None]) -> Iterator[Result]:
    """See `bench.bare_kafka`. Kafka's own tool would be run too, had the server's jars got it."""
    if not any(_holds(jar, PRODUCER_TOOL) for jar in fetch()):
        say("floors: Kafka's own producer benchmark is not among the jars of the server")

    def command(what: str) -> list[str]:
        return [sys.executable, "-m", "bench.bare_kafka", what, kafka.bootstrap, TOPIC, str(messages), str(KAFKA_BATCH)]

    # A broker that has just started runs byte code that is not yet compiled: the first round is not a floor.
    _run(command("produce"))
    for what in ("produce", "consume"):
        told, used = _metered({"kafka": [kafka.pid]}, command(what))
        yield _bare(f"bare aiokafka, {what}, {KAFKA_BATCH} at a time", json.loads(told), used.cpu["kafka"], "kafka")


def texts(messages: int) -> Iterator[Result]:
    """See `bench.bare_contracts`."""
    told = json.loads(_run([sys.executable, "-m", "bench.bare_contracts", str(messages)]))
    for what, seconds in (("read from its JSON", told["read_seconds"]), ("written as JSON", told["write_seconds"])):
        each = seconds / told["messages"]
        yield Result(
            "floor", f"pydantic alone, a message {what}", "messages/s", [1 / each], better="higher",
            details={"client_us": each * 1e6},
        )  # fmt: skip


def _bare(what: str, told: Mapping[str, float], server_cpu: float, server: str) -> Result:
    messages = told["messages"]
    client, served = told["cpu_seconds"] / messages * 1e6, server_cpu / messages * 1e6
    return Result(
        "floor", what, "messages/s", [messages / told["seconds"]], better="higher",
        details={"client_us": client, f"{server}_us": served},
    )  # fmt: skip


def _holds(jar: Path, member: str) -> bool:
    with zipfile.ZipFile(jar) as file:
        return member in file.namelist()


def _programs(postgres: Postgres) -> Path:
    """Where the server's own programs are."""
    return Path(psutil.Process(postgres.pid).exe()).parent


def _metered(
    roots: meter.Roots, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
) -> tuple[str, meter.Used]:
    before = meter.read(roots)
    told = _run(command, environment)
    return told, meter.used(before, meter.read(roots))


def _run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **(environment or {})}, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise BenchFailed("floor_failed", f"{command[0]} ended with code {done.returncode}: {done.stderr[-500:]}")
    return done.stdout
