"""A running Holdfast for measuring: real servers, the five services in as many replicas as wanted, no simulators (the
load is the outside world), and a virtual clock, by which orders that are never shipped come to their end."""

import asyncio
import json
import os
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from bench import counters, meter
from bench.outside import BenchFailed, Load
from bench.plan import Mix
from holdfast.addresses import SERVICES
from holdfast.embedded import Kafka, Postgres
from holdfast.embedded.ports import free_ports
from holdfast.embedded.process import Program, ServerProcess
from holdfast.interrupts import held_back
from holdfast.stack import clear
from holdfast.topics import provision
from runtime.clock import VirtualClock
from runtime.tokens import KEYS, Minter

READY_WITHIN, STOP_WITHIN, QUIET_WITHIN = 60.0, 30.0, 120.0
"""Seconds."""
WINDOW = 5_000
"""Orders in flight in a closed loop: enough that every service always finds a full batch."""
SHIP_BY_IS_OVER = timedelta(days=11)
"""Longer than any time to ship, shorter than what runs after a release."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A load run to its end: what the load told, what the processes used, and how long it took until all was quiet."""

    told: Mapping[str, Any]
    used: meter.Used
    seconds: Sequence[Mapping[str, Any]] = field(repr=False)

    @property
    def orders(self) -> int:
        return int(self.told["orders"])

    @property
    def rate(self) -> float:
        """Completed orders a second."""
        return self.orders / self.used.seconds

    @property
    def cpu_ms(self) -> dict[str, float]:
        """CPU milliseconds an order, by process."""
        return {name: seconds * 1000 / self.orders for name, seconds in self.used.cpu.items()}


class System:
    """What runs. Make one with `running`."""

    def __init__(self, folder: Path, postgres: Postgres, kafka: Kafka, databases: Mapping[str, str]) -> None:
        self.folder = folder
        self.postgres, self.kafka = postgres, kafka
        self.databases = databases
        self.clock = VirtualClock.create(folder / "clock", datetime.now(UTC))
        self.keys = folder / "keys"
        self._minter = Minter.create(self.keys, environment="development")
        self.services: dict[str, list[ServerProcess]] = {}
        self.ports: dict[str, list[int]] = {}
        self.load: Load | None = None
        """The load of the last drain, as soon as it has begun."""
        self.orders = 0
        """Orders that went their whole way."""
        self.runs = 0
        """Drains until now; the ids of the orders of the last one begin with `ord-RUNS-`."""

    def scale(self, replicas: int) -> None:
        """Has `replicas` processes of each service: starts those that are missing and waits until all are ready, stops
        those that are too many."""
        for name in SERVICES:
            some = self.services.setdefault(name, [])
            for process in some[replicas:]:
                process.stop(within=STOP_WITHIN)
            del some[replicas:], self.ports.setdefault(name, [])[replicas:]
        ports = iter(free_ports(replicas * len(SERVICES)))
        for name in SERVICES:
            for number in range(len(self.services[name]), replicas):
                port = next(ports)
                with held_back():
                    process = ServerProcess(self._program(name, number, port))
                    process.launch()
                    self.services[name].append(process)
                    self.ports[name].append(port)
        deadline = time.monotonic() + READY_WITHIN
        for name, processes in self.services.items():
            for process, port in zip(processes, self.ports[name], strict=True):
                process.wait_until(partial(self._ready, port), deadline - time.monotonic())

    def _ready(self, port: int) -> bool:
        try:
            return bool(self.ask(port, "/readyz")["status"] == "ready")
        except OSError:
            return False

    def _program(self, name: str, number: int, port: int) -> Program:
        folder = self.folder / f"{name}-{number}"
        folder.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "HOLDFAST_DATABASE_URL": self.databases[name],
            "HOLDFAST_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "development",
            "HOLDFAST_CLOCK": f"virtual:{self.folder / 'clock'}",
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_INSTANCE": f"{name}-{number}",
            "HOLDFAST_OIDC_KEYS_FILE": str(self.keys / KEYS),
            "HOLDFAST_LOG_LEVEL": "warning",
        }
        log = self.folder / f"{name}-{number}.log"
        return Program(f"{name} {number}", [sys.executable, "-m", name], folder, log, signal.SIGTERM, None, environment)

    def roots(self) -> dict[str, list[int]]:
        """The process trees by name: each service, PostgreSQL, Kafka."""
        services = {name: [process.pid for process in processes] for name, processes in self.services.items()}
        return {**services, "postgres": [self.postgres.pid], "kafka": [self.kafka.pid]}

    def prepare(self, mix: Mix) -> None:
        """Accounts of buyers and deposits of sellers, as other systems would open them."""
        with self._load("prepare", mix) as load:
            load.begin()
            load.end()
        self.wait_until_quiet()

    def drain(
        self,
        mix: Mix,
        orders: int,
        *,
        window: int = WINDOW,
        rate: float = 0.0,
        begun: Callable[[], None] = lambda: None,
        proved: bool = True,
    ) -> Drain:
        """Places `orders` orders and measures until all are completed and every service is quiet, and proves the
        ledgers, unless `proved` is not asked for; `begun` is called when the load has begun. Raises BenchFailed."""
        self.runs += 1
        options = [f"--run=ord-{self.runs}", f"--orders={orders}", f"--window={window}", f"--rate={rate}"]
        with self._load("run", mix, *options) as load:
            before = meter.read(self.roots())
            load.begin()
            self.load = load
            begun()
            done = load.end(overdue=self.pass_ship_by)
            self.wait_until_quiet()
            after = meter.read(self.roots())
        if proved:
            self.prove_ledgers()
        drain = Drain(done, meter.used(before, after), load.seconds)
        self.orders += drain.orders
        return drain

    def pass_ship_by(self) -> None:
        """Moves the clock past the time to ship of every order placed until now."""
        self.clock.advance_to(self.clock.now() + SHIP_BY_IS_OVER)

    def wait_until_quiet(self) -> None:
        """Returns when every service has handled all there is to read and published all it has. Raises BenchFailed
        (not_quiet)."""
        deadline = time.monotonic() + QUIET_WITHIN
        while busy := self._busy():
            if time.monotonic() > deadline:
                raise BenchFailed("not_quiet", f"after {QUIET_WITHIN:g} s there is still: {'; '.join(busy[:3])}")
            time.sleep(0.05)

    def _busy(self) -> list[str]:
        told = [self.ask(port, "/dev/progress") for ports in self.ports.values() for port in ports]
        produced: dict[str, int] = {}
        handled: dict[tuple[str, str], int] = {}
        for one in told:
            for place, end in one["produced"].items():
                produced[place] = max(produced.get(place, 0), end)
            for place, end in one["handled"].items():
                handled[one["service"], place] = max(handled.get((one["service"], place), 0), end)
        busy = [f"{one['service']} has {one['outbox']} messages to publish" for one in told if one["outbox"]]
        for service, topics in {one["service"]: one["topics"] for one in told}.items():
            busy += [
                f"{service} has handled {place} up to {handled.get((service, place), 0)} of {end}"
                for place, end in produced.items()
                if place.rpartition("/")[0] in topics and handled.get((service, place), 0) < end
            ]
        return busy

    def prove_ledgers(self) -> None:
        """Counts the books again. Raises BenchFailed (ledger_not_clean)."""
        for name in ("escrow", "deposits"):
            proof = self.ask(self.ports[name][0], "/money/proof")
            if not proof["ok"]:
                raise BenchFailed("ledger_not_clean", f"the ledger of {name} does not add up: {proof}")

    def ask(self, port: int, path: str) -> Any:
        """The JSON that a replica answers to an operator."""
        token = self._minter.bearer("operator", "bench")
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=token)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    @contextmanager
    def _load(self, what: str, mix: Mix, *options: str) -> Iterator[Load]:
        command = [sys.executable, "-m", "bench.load", what, f"--kafka={self.kafka.bootstrap}"]
        command += [f"--seed={mix.seed}", f"--sellers={mix.sellers}", f"--buyers={mix.buyers}", *options]
        load = Load(command)
        try:
            yield load
        finally:
            load.stop()

    def stop(self) -> None:
        """Services first, all at once, then the servers."""
        processes = [process for some in self.services.values() for process in some]
        for process in processes:
            process.ask_to_stop()
        deadline = time.monotonic() + STOP_WITHIN
        for process in processes:
            process.see_out(max(deadline - time.monotonic(), 0))
        self.kafka.stop()
        self.postgres.stop()


@contextmanager
def running(
    folder: Path,
) -> Iterator[System]:
    """A system on an empty `folder`, with one process of each service, for the time of a block."""
    claim = clear(folder)
    try:
        with servers(folder, counters.STATEMENTS) as (postgres, kafka):
            asyncio.run(counters.end(postgres))
            databases = asyncio.run(_prepare(postgres, kafka))
            system = System(folder, postgres, kafka, databases)
            try:
                system.scale(1)
                yield system
            finally:
                system.stop()
    finally:
        os.close(claim)


@contextmanager
def servers(folder: Path, postgres_settings: Mapping[str, str]) -> Iterator[tuple[Postgres, Kafka]]:
    """PostgreSQL and Kafka alone, for the time of a block."""
    postgres = Postgres.start(folder / "postgres", settings=postgres_settings)
    try:
        kafka = Kafka.start(folder / "kafka")
        try:
            yield postgres, kafka
        finally:
            kafka.stop()
    finally:
        postgres.stop()


async def _prepare(postgres: Postgres, kafka: Kafka) -> dict[str, str]:
    await provision({"bootstrap_servers": kafka.bootstrap})
    return {name: await postgres.create_service(name) for name in SERVICES}


def names(cpu: Iterable[str]) -> list[str]:
    """Process names in the order in which they are told."""
    known = (*SERVICES, "postgres", "kafka")
    return sorted(cpu, key=lambda name: known.index(name) if name in known else len(known))
