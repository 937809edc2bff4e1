"""The whole of Holdfast on one machine: real servers, the five services and the simulators, each a process.

A `Stack` belongs to the process that started it and ends with it, however that ends. Another process finds it by its
folder (`addresses.find`): addresses stand in `stack.json`, logs beside it.
"""

import asyncio
import fcntl
import json
import os
import shutil
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from holdfast.addresses import CONTAINERS, PORTS, SERVICES, SIMULATORS, Addresses, claim_file
from holdfast.embedded import EmbeddedError, Kafka, Postgres, start_servers
from holdfast.embedded.ports import free_ports, is_open
from holdfast.embedded.process import Program, ServerProcess, folder_lock
from holdfast.interrupts import held_back
from holdfast.topics import provision
from runtime.clock import VirtualClock
from runtime.signatures import new_secret
from runtime.tokens import KEYS, Minter

READY_WITHIN = 60.0
STOP_WITHIN = 30.0

Say = Callable[[str], None]


class Stack:
    """A running stack of ours. Make one with `Stack.start`, or better with `running`."""

    def __init__(self, folder: Path, claim: int, addresses: Addresses, servers: tuple[Postgres, Kafka]) -> None:
        self.folder = folder
        self._claim: int | None = claim
        self.addresses = addresses
        self.postgres, self.kafka = servers
        self.processes: dict[str, ServerProcess] = {}
        """By name: `orders`, and `orders-2` and so on for further ones of the same service."""

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        clock: datetime | None,
        say: Say = print,
        settings: Mapping[str, str] | None = None,
        replicas: int = 1,
    ) -> "Stack":
        """Starts everything on an empty `folder` and returns when every process is ready; `clock` is where a virtual
        clock starts, None the real one; `replicas` is how many processes each of the five services has. Blocks; do not
        call it inside an event loop.

        Raises EmbeddedError: already_running, and whatever a server or service ends with, with the end of its log.
        """
        claim = clear(folder)
        try:
            say("starting PostgreSQL and Kafka")
            servers = start_servers(folder)
        except BaseException:
            os.close(claim)
            raise
        postgres, kafka = servers
        stack = cls(folder, claim, Addresses(os.getpid(), postgres.dsn(), kafka.bootstrap, "real", {}, {}), servers)
        try:
            say("making databases and topics")
            with held_back():
                databases = asyncio.run(_prepare(postgres, kafka))
            setting = "real"
            if clock is not None:
                VirtualClock.create(folder / "clock", clock)
                setting = f"virtual:{folder / 'clock'}"
            ports = _ports(replicas)
            bases = {name: [f"http://127.0.0.1:{port}" for port in some] for name, some in ports.items()}
            stack.addresses = Addresses(
                os.getpid(),
                postgres.dsn(),
                kafka.bootstrap,
                setting,
                {name: some[0] for name, some in bases.items()},
                databases,
                {name: some[1:] for name, some in bases.items() if some[1:]},
                keys=str(folder / "keys"),
            )
            Minter.create(folder / "keys", environment="development")
            _make_secrets(folder / "webhooks")
            times = f", {replicas} times," if replicas > 1 else ""
            say(f"starting five services{times} and two simulators")
            stack._start_processes(ports, settings or {})
            (folder / "stack.json").write_text(json.dumps(asdict(stack.addresses), indent=1))
            (folder / "stack.json").chmod(0o600)
        except BaseException:
            stack.stop(say=lambda _: None)
            raise
        return stack

    def _start_processes(self, ports: Mapping[str, Sequence[int]], settings: Mapping[str, str]) -> None:
        started: list[tuple[ServerProcess, int]] = []
        for service, its_ports in ports.items():
            for number, port in enumerate(its_ports, 1):
                name = service if number == 1 else f"{service}-{number}"
                with held_back():
                    process = ServerProcess(self._program(service, name, port, settings))
                    process.launch()
                    self.processes[name] = process
                    started.append((process, port))
        deadline = time.monotonic() + READY_WITHIN * max(len(some) for some in ports.values())
        for process, port in started:
            process.wait_until(partial(_is_ready, port), deadline - time.monotonic())

    def _program(self, service: str, name: str, port: int, settings: Mapping[str, str]) -> Program:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            "HOLDFAST_DATABASE_URL": self.addresses.databases[service],
            "HOLDFAST_KAFKA_BOOTSTRAP": self.addresses.kafka,
            "HOLDFAST_ENVIRONMENT": "development",
            "HOLDFAST_CLOCK": self.addresses.clock,
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_INSTANCE": name,
            "HOLDFAST_OIDC_KEYS_FILE": str(Path(self.addresses.keys) / KEYS),
            # One operator replays a whole marketplace and reads back every order of it.
            "HOLDFAST_RATE_LIMIT_PER_SECOND": "0",
            "HOLDFAST_WEBHOOK_SECRETS_FILE": str(self.folder / "webhooks" / "senders"),
            "HOLDFAST_LOG_LEVEL": "warning",
            **settings,
        }
        module = f"simulators.{service}" if service in SIMULATORS else service
        if service in SIMULATORS:
            environment |= {
                f"HOLDFAST_WEBHOOK_{hook.upper()}": f"{self.addresses.services[hook]}/webhooks"
                for hook in ("orders", "escrow", "deposits")
            }
            environment |= {
                "HOLDFAST_WEBHOOK_SIGNING_SECRETS_FILE": str(self.folder / "webhooks" / service),
                "HOLDFAST_PROVIDER_TIMEOUT": "2",
            }
        return Program(
            name=name,
            command=[sys.executable, "-m", module],
            folder=folder,
            log=self.folder / f"{name}.log",
            stop_signal=signal.SIGTERM,
            environment=environment,
        )

    def stop(self, say: Say = print) -> None:
        """Services first, all at once, then the servers. Safe to call twice."""
        say("stopping")
        for process in self.processes.values():
            process.ask_to_stop()
        deadline = time.monotonic() + STOP_WITHIN
        for process in self.processes.values():
            process.see_out(max(deadline - time.monotonic(), 0))
        self.kafka.stop()
        self.postgres.stop()
        (self.folder / "stack.json").unlink(missing_ok=True)
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None


def _make_secrets(folder: Path) -> None:
    """What webhooks are signed with: of each sender in a file of its own, and of all of them in `senders`."""
    folder.mkdir(mode=0o700)
    secrets = {name: new_secret() for name in SIMULATORS}
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    (folder / "senders").write_text("\n".join(f"{name}={secret}" for name, secret in secrets.items()))


def clear(folder: Path) -> int:
    """An empty folder for a new stack, whatever an earlier one left. Returns a descriptor that claims the folder until
    it is closed, or until this process ends.

    Raises EmbeddedError: already_running; folder_in_use when processes of a killed stack do not end; folder_reserved.
    """
    if folder == CONTAINERS:
        raise EmbeddedError(
            "folder_reserved",
            f"{CONTAINERS} stands for the containers, which `docker compose up --wait` starts; give another folder",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    claim = os.open(claim_file(folder), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (folder / "stack.json").unlink(missing_ok=True)
        # What a killed stack left running is ended by its watchdogs; until then its data must not go.
        for lock in folder.glob("*/lock"):
            with folder_lock(lock.parent):
                pass
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        folder.chmod(0o755)
    except BlockingIOError:
        os.close(claim)
        raise EmbeddedError(
            "already_running",
            f"a stack runs or starts on {folder}; end it with `holdfast down`, or give another --folder",
        ) from None
    except BaseException:
        os.close(claim)
        raise
    return claim


@contextmanager
def running(
    folder: Path,
    *,
    clock: datetime | None,
    say: Say = print,
    settings: Mapping[str, str] | None = None,
    replicas: int = 1,
) -> Iterator[Stack]:
    """A stack for the time of a block; stopped at its end, on an exception and on Ctrl-C or SIGTERM at any moment."""

    def interrupted(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupted)
    try:
        stack = Stack.start(folder, clock=clock, say=say, settings=settings, replicas=replicas)
        try:
            yield stack
        finally:
            # A second Ctrl-C must not leave half of it running.
            ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
            try:
                stack.stop(say)
            finally:
                signal.signal(signal.SIGINT, ignored)
    finally:
        signal.signal(signal.SIGTERM, before)


async def _prepare(postgres: Postgres, kafka: Kafka) -> dict[str, str]:
    await provision({"bootstrap_servers": kafka.bootstrap})
    return {name: await postgres.create_service(name) for name in (*SERVICES, *SIMULATORS)}


def _ports(replicas: int) -> dict[str, list[int]]:
    """Those of every process; the first ones of each service are the well-known ones if these are free."""
    free = iter(free_ports(len(PORTS) + (replicas - 1) * len(SERVICES)))
    known = not any(is_open(port) for port in PORTS.values())
    ports = {name: [PORTS[name] if known else next(free)] for name in PORTS}
    for name in SERVICES:
        ports[name] += [next(free) for _ in range(replicas - 1)]
    return ports


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def resident_bytes(stack: Stack) -> int:
    """Memory of all processes of the stack, shared pages counted once each (PSS where the system tells it)."""
    total = 0
    for pid in _pids(stack):
        try:
            memory = psutil.Process(pid).memory_full_info()
            total += getattr(memory, "pss", 0) or memory.rss
        except psutil.Error:
            continue
    return total


def _pids(stack: Stack) -> Sequence[int]:
    roots = [stack.postgres.pid, stack.kafka.pid, *(process.pid for process in stack.processes.values())]
    return [pid for root in roots for pid in (root, *(child.pid for child in psutil.Process(root).children(True)))]
