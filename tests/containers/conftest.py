"""The containers of `docker-compose.yml`, really up. These tests run when they are asked for: `make test-compose`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.addresses import CONTAINERS, Addresses, find
from tests.containers.docker import compose

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves this folder out unless it, or something in it, was named on the command line."""
    named = ((config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(HERE in (path, *path.parents) for path in named) else True


@pytest.fixture(scope="session")
def addresses() -> Iterator[Addresses]:
    """The deployment that is up; without one, it is started for the tests and taken down, with its data, after them."""
    was_up = "orders" in compose("ps", "--services", "--status", "running").split()
    if not was_up:
        compose("up", "--wait")
    try:
        yield find(CONTAINERS)
    finally:
        if not was_up:
            compose("down", "-v")
