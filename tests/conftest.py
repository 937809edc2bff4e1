"""Real servers for the tests, started when the first test asks for one and stopped after the last."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings as hypothesis_settings

from tests import servers as kinds_of_servers
from tests.databases import fresh_database
from tests.servers import Kafka, Postgres, Servers

DEFAULT_SEEDS = 200

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")
SERVERS = pytest.StashKey[Servers]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("holdfast")
    group.addoption("--seeds", type=int, default=DEFAULT_SEEDS, help="how many seeds the simulation runs")
    group.addoption(
        "--servers",
        choices=kinds_of_servers.KINDS,
        default="embedded",
        help="what PostgreSQL and Kafka the tests run on: our own processes, or containers",
    )
    group.addoption("--chaos", choices=("short", "long"), default="short", help="how long the chaos tests run")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "embedded: is about the embedded servers themselves")
    try:
        config.stash[SERVERS] = kinds_of_servers.of_kind(config.getoption("--servers"))
    except kinds_of_servers.Unavailable as missing:
        raise pytest.UsageError(str(missing)) from None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("embedded") and item.config.getoption("--servers") != "embedded":
        pytest.skip("is about the embedded servers themselves")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """How servers are started: `--servers`."""
    return request.config.stash[SERVERS]


@pytest.fixture(scope="session")
def seeds(request: pytest.FixtureRequest) -> int:
    """How many seeds the simulation runs: `--seeds`."""
    return int(request.config.getoption("--seeds"))


@pytest.fixture(scope="session")
def chaos_length(request: pytest.FixtureRequest) -> str:
    """`short` or `long`: `--chaos`."""
    return str(request.config.getoption("--chaos"))


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder for servers' data, gone after the tests."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-tests-"))
    folder.chmod(0o755)  # PostgreSQL does not run as root: its own account must get in
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(servers: Servers, server_folder: Path) -> Iterator[Postgres]:
    """The PostgreSQL that all tests share. A test that stops, kills or pauses one starts its own."""
    server = servers.postgres(server_folder / "postgres")
    yield server
    server.delete()


@pytest.fixture(scope="session")
def kafka(servers: Servers, server_folder: Path) -> Iterator[Kafka]:
    """The Kafka that all tests share. A test that stops, kills or pauses one starts its own."""
    server = servers.kafka(server_folder / "kafka")
    yield server
    server.delete()


@pytest.fixture
async def database(postgres: Postgres) -> AsyncIterator[str]:
    """The connection URL of a fresh, empty database; dropped after the test, whoever is still connected."""
    async with fresh_database(postgres) as url:
        yield url


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names that no other test has: `unique("orders.events.v1")` for topics, groups, roles."""
    tag = uuid4().hex[:8]
    return lambda name: f"{name}-{tag}"
