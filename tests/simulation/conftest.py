"""Which worlds are run: the first `--seeds` of them, or the one that `--seed` names."""

import pytest

from tests.simulation.run import Result, run_seeds


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("holdfast")
    group.addoption("--seed", type=int, default=None, help="the one seed that the simulation runs")


@pytest.fixture(scope="session")
def only_seed(request: pytest.FixtureRequest) -> int | None:
    """The seed that is run alone: `--seed`. None where all are."""
    seed: int | None = request.config.getoption("--seed", default=None)
    return seed


@pytest.fixture(scope="session")
def ran(only_seed: int | None, seeds: int) -> Result:
    """All worlds of this session, run once."""
    return run_seeds(range(seeds) if only_seed is None else [only_seed])
