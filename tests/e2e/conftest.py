"""A whole stack for a module: real servers, five services, two simulators, a virtual clock."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.stack import Stack

START = datetime(2026, 3, 2, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stack]:
    """Up for the tests of one module, on a folder of its own."""
    folder = server_folder / f"stack-{tmp_path_factory.mktemp('stack').name}"
    running = Stack.start(folder, clock=START, say=lambda _: None)
    yield running
    running.stop(say=lambda _: None)
