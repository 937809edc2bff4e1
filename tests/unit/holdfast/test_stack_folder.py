"""A folder belongs to one stack at a time, from its first moment to its last, and is empty when one starts."""

import fcntl
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from holdfast import addresses, stack
from holdfast.addresses import Addresses
from holdfast.embedded import EmbeddedError
from tests.waiting import eventually

ADDRESSES = Addresses(1, "postgres", "kafka", "real", {"orders": "http://127.0.0.1:1"}, {})


def told(folder: Path) -> None:
    (folder / "stack.json").write_text(json.dumps(asdict(ADDRESSES)))


def test_a_second_start_is_refused_while_the_first_is_still_starting(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    claim = stack.clear(folder)
    (folder / "data").write_text("of the first")
    with pytest.raises(EmbeddedError) as refused:
        stack.clear(folder)
    assert refused.value.code == "already_running"
    assert (folder / "data").read_text() == "of the first"
    os.close(claim)


def test_a_stack_is_found_while_its_starter_lives_and_not_after(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    claim = stack.clear(folder)
    told(folder)
    assert addresses.find(folder) == ADDRESSES
    os.close(claim)
    with pytest.raises(EmbeddedError) as refused:
        addresses.find(folder)
    assert refused.value.code == "not_running"


def test_what_a_killed_stack_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    os.close(stack.clear(folder))
    told(folder)
    (folder / "kafka").mkdir()
    (folder / "kafka" / "lock").touch()
    os.close(stack.clear(folder))
    assert list(folder.iterdir()) == []


def process_of_a_killed_stack(folder: Path) -> "subprocess.Popen[bytes]":
    """Holds the folder's lock, as a server does, until its input ends."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        reading = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        return subprocess.Popen(reading, stdin=subprocess.PIPE, pass_fds=(lock.fileno(),))


def start_on(folder: Path) -> "subprocess.Popen[bytes]":
    start = "import sys, pathlib; from holdfast import stack; stack.clear(pathlib.Path(sys.argv[1]))"
    return subprocess.Popen([sys.executable, "-c", start, str(folder)])


async def test_data_stays_until_the_processes_of_a_killed_stack_are_gone(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    os.close(stack.clear(folder))
    told(folder)
    (folder / "kafka").mkdir()
    dying, starting = process_of_a_killed_stack(folder / "kafka"), start_on(folder)
    await eventually(lambda: not (folder / "stack.json").exists())
    assert (folder / "kafka").exists()
    assert starting.poll() is None
    dying.communicate(b"")
    assert starting.wait(30) == 0
    assert not (folder / "kafka").exists()
