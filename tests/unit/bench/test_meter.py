"""CPU time of process trees, whatever ends while it is read."""

import os
import subprocess
import sys

import psutil
import pytest

from bench import meter


def test_a_tree_is_read_again_when_a_process_of_it_ended_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "sum(range(3_000_000))"])
    root, ended = psutil.Process(), psutil.Process(child.pid)
    child.wait()
    trees = [[root, ended], [root]]
    monkeypatch.setattr(meter, "_tree", lambda pid: trees.pop(0))

    found = meter.read({"tests": [os.getpid()]}).cpu["tests"]

    assert trees == []
    assert found >= root.cpu_times().children_user > 0


def test_a_tree_whose_root_is_gone_counts_as_nothing() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert meter.read({"gone": [child.pid]}).cpu == {"gone": 0}
