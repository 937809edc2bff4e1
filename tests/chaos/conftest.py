"""What the chaos tests share: servers they may hurt, and a world of toy services on them."""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from holdfast.embedded.ports import free_port
from tests.access import environment as environment_of_tokens
from tests.chaos.check import rows, settled
from tests.chaos.load import Written
from tests.chaos.process import Process, all_ready
from tests.servers import Kafka, Postgres, Servers
from tests.toy.parts import fresh_topics
from tests.waiting import eventually

SESSION_TIMEOUT = 2
"""Seconds until the group gives up a silent member, unless a test says otherwise."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("chaos")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    world = getattr(item, "funcargs", {}).get("world")
    if report.failed and world:
        report.sections += [(f"end of the log of {process.name}", process.tail()) for process in world.processes]
    return report


@pytest.fixture(scope="session")
def own_servers(servers: Servers, server_folder: Path) -> Iterator[tuple[Postgres, Kafka]]:
    """A PostgreSQL and a Kafka that the chaos tests may stop, kill and pause."""
    postgres, kafka = servers.both(server_folder / "chaos")
    yield postgres, kafka
    kafka.delete()
    postgres.delete()


class World:
    """The toy services' databases, topics and processes, and what was written to them."""

    def __init__(self, postgres: Postgres, kafka: Kafka, folder: Path, toy: str, mirror: str) -> None:
        self.postgres, self.kafka = postgres, kafka
        self.databases = {"toy": toy, "mirror": mirror}
        self.folder = folder
        self.processes: list[Process] = []
        self.written = Written()

    def start(self, service: str, *, database: str = "", cure: Path | None = None, **environment: Any) -> Process:
        """One more replica of `toy` or `mirror`; keywords go over the settings of its environment."""
        port = free_port()
        given = {
            "HOLDFAST_DATABASE_URL": database or self.databases[service],
            "HOLDFAST_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_PORT": port,
            "HOLDFAST_SESSION_TIMEOUT": SESSION_TIMEOUT,
            "HOLDFAST_TIMER_POLL": 0.05,
            **environment_of_tokens(),
        }
        name = f"{service}-{len(self.processes) + 1}"
        process = Process(
            name,
            [service, *([str(cure)] if cure else [])],
            {key: str(value) for key, value in (given | environment).items()},
            port,
            self.folder / f"{name}.log",
        )
        self.processes.append(process)
        return process

    async def started(self, *services: str, **environment: Any) -> list[Process]:
        """Replicas of these services, ready."""
        processes = [self.start(service, **environment) for service in services]
        await all_ready(*processes)
        return processes

    async def more_handled(self, count: int, within: float = 30) -> None:
        """Returns when toy has handled this many messages more than now."""

        async def handled() -> int:
            (row,) = await rows(self.databases["toy"], "SELECT coalesce(sum(version), 0)::int AS done FROM tallies")
            return int(row["done"])

        before = await handled()

        async def enough() -> bool:
            return await handled() >= before + count

        await eventually(enough, within=within)

    async def settles(self, *, within: float = 30, publications: bool = True) -> None:
        """The check: see `settled`."""
        await settled(
            self.databases["toy"],
            self.databases["mirror"],
            self.kafka.bootstrap,
            self.written,
            within=within,
            publications=publications,
        )


@pytest.fixture
async def world(own_servers: tuple[Postgres, Kafka], tmp_path: Path) -> AsyncIterator[World]:
    """A world with empty topics and databases, and no process yet; the servers are up and well before and after."""
    postgres, kafka = own_servers
    await fresh_topics(kafka.bootstrap)
    tag = uuid4().hex[:8]
    names = {service: f"{service}_{tag}" for service in ("toy", "mirror")}
    admin = await asyncpg.connect(postgres.dsn())
    for name in names.values():
        await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    world = World(postgres, kafka, tmp_path, postgres.dsn(names["toy"]), postgres.dsn(names["mirror"]))
    yield world
    for process in world.processes:
        await process.reap()
    for server in (postgres, kafka):
        if server.running:
            server.resume()
        else:
            server.restart()
    admin = await asyncpg.connect(postgres.dsn())
    for name in names.values():
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()


def tallies(count: int = 30) -> list[str]:
    """Names of tallies."""
    return [f"t{number}" for number in range(count)]
