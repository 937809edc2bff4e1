"""What the README tells readers to type works as it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from holdfast.addresses import PORTS
from holdfast.stack import Stack
from tests.e2e.conftest import START

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stack]:
    """Where the command line looks when it is told nothing: `run` in its home."""
    home = server_folder / tmp_path_factory.mktemp("home").name
    home.mkdir(mode=0o755)
    running = Stack.start(home / "run", clock=START, say=lambda _: None)
    yield running
    running.stop(say=lambda _: None)


def block(language: str) -> str:
    """The one example in this language."""
    part = README.read_text(encoding="utf-8").partition("## Integrate")[2].partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    return str(found)


def environment(stack: Stack) -> Mapping[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "HOLDFAST_HOME": str(stack.folder.parent), "KAFKA": stack.addresses.kafka}


def ran(command: list[str], stack: Stack) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(stack), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_over_http_opens_a_deposit_and_reads_it(stack: Stack) -> None:
    text = block("sh")
    for name, port in PORTS.items():
        text = text.replace(f"localhost:{port}", stack.addresses.services[name].removeprefix("http://"))
    for _ in range(2):  # the same again has the same answer
        told = ran(["bash", "-euo", "pipefail", "-c", text], stack)
        assert '"result":"done"' in told
        assert '"seller_id":"s-1"' in told


def test_the_example_over_kafka_opens_a_deposit_and_hears_of_it(stack: Stack) -> None:
    told = ran([sys.executable, "-c", block("python")], stack)
    assert told.startswith("deposits.deposit_required.v1 {")
    assert '"seller_id":"s-2"' in told
