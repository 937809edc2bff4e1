"""Calls that cannot be done are answered in one line with what to do, and exit code 2; Ctrl-C in one line with 130."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from holdfast import stack
from holdfast.addresses import Addresses
from holdfast.embedded.ports import free_port
from runtime.tokens import Minter

EXAMPLE = Path(__file__).parents[3] / "examples" / "marketplace.csv"


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Path]:
    """A folder on which a stack seems to run: on the real clock, with a service that does not answer."""
    folder = tmp_path / "run"
    claim = stack.clear(folder)
    Minter.create(folder / "keys", environment="test")
    services = {"escrow": f"http://127.0.0.1:{free_port()}"}
    addresses = Addresses(os.getpid(), "", "", "real", services, {}, keys=str(folder / "keys"))
    (folder / "stack.json").write_text(json.dumps(asdict(addresses)))
    yield folder
    os.close(claim)


def called(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "holdfast", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def refused(*arguments: str | Path) -> str:
    """The one line that a call is answered with."""
    done = called(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_replay_against_a_stack_on_the_real_clock_is_refused(up: Path) -> None:
    assert "runs on the real clock" in refused("replay", EXAMPLE, "--against", up)


def test_a_replay_against_no_stack_says_how_to_start_one(tmp_path: Path) -> None:
    assert "holdfast up" in refused("replay", EXAMPLE, "--against", tmp_path / "none")


@pytest.mark.parametrize("more", [["--keep"], ["--folder", "elsewhere"]])
def test_a_replay_uses_a_stack_or_starts_one_not_both(up: Path, more: list[str]) -> None:
    assert "--against" in refused("replay", EXAMPLE, "--against", up, *more)


@pytest.mark.parametrize("id", ["7", "escrow", "escrow:x", "escrow:-1", ":7", "escrow:7:7", f"escrow:{10**20}"])
def test_what_can_be_no_letters_id_is_refused(up: Path, id: str) -> None:
    assert "dlq list" in refused("dlq", "show", id, "--folder", up)


def test_a_letter_of_no_service_is_refused_with_those_there_are(up: Path) -> None:
    assert "one of escrow" in refused("dlq", "show", "moon:7", "--folder", up)


def test_a_service_that_does_not_answer_is_told(up: Path) -> None:
    assert "does not answer" in refused("dlq", "show", "escrow:7", "--folder", up)


INTERRUPTED = """
import os, runpy, signal, sys

module, sys.argv = sys.argv[1], ["holdfast", "flows"]

class Finder:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
runpy.run_module("holdfast", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["holdfast.cli", "typer", "httpx", "aiokafka", "contracts.registry"])
def test_ctrl_c_while_something_is_imported_ends_it_in_one_line(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, module], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped\n")
