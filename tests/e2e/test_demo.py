"""The demo as a person runs it: interrupted at any moment it leaves nothing behind, and a second run starts clean."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from simulators.forgeries import FORGERIES
from tests.waiting import eventually


@pytest.fixture
def folder(server_folder: Path, tmp_path: Path) -> Iterator[Path]:
    place = server_folder / f"demo-{tmp_path.name}"
    yield place
    for left in left_behind(place):
        left.kill()


def left_behind(folder: Path) -> list[psutil.Process]:
    """Processes that work on the folder: servers by their arguments, services by their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = " ".join((*process.cmdline(), *process.environ().values()))
        except psutil.Error:
            continue
        if str(folder) in words and process.pid != os.getpid():
            found.append(process)
    return found


def demo(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast", "demo", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("moment", ["starting PostgreSQL", "making databases", "starting five services", "replaying"])
async def test_ctrl_c_at_any_moment_stops_everything(folder: Path, moment: str) -> None:
    running = demo(folder)
    assert running.stdout
    for line in running.stdout:
        if moment in line:
            break
    else:
        raise AssertionError(f"the demo never said {moment!r}")
    running.send_signal(signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait(60) == 130, rest
    assert "Traceback" not in rest
    await eventually(lambda: not left_behind(folder), within=20)
    assert not (folder / "stack.json").exists()


def test_with_faults_everything_still_rests_and_the_money_is_proved_X1(folder: Path) -> None:
    orders = str(Path(__file__).parent / "orders.csv")
    faults = "all,seed=3,forge=10000,duplicate=4000,delay=4000,refund_fails=5000,timeout=2000"
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "replay", orders, "--folder", str(folder), "--faults", faults, "--json"],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["clean"] and all(proof["ok"] for proof in report["proofs"].values())
    wrong = report["faults"]
    assert wrong["operations"]["delay"] and wrong["webhooks"]["duplicated"]
    assert wrong["forgeries_accepted"] == {}
    assert {kind: wrong["webhooks"][kind] for kind in FORGERIES} == wrong["forgeries_refused"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "examples/marketplace.csv", "--faults", "earthquake"], "there is no fault 'earthquake'"),
        (["replay", "examples/marketplace.csv", "--faults", "decline=many"], "basis points"),
        (["replay", "no-such-file.csv"], "cannot be read"),
        (["replay", "pyproject.toml"], "missing: order_id"),
        (["money", "--folder", "nowhere"], "no stack runs"),
        (["clock", "advance", "1d", "--folder", "nowhere"], "no stack runs"),
        (["dlq", "list", "--folder", "nowhere"], "no stack runs"),
    ],
)
def test_a_wrong_call_is_answered_in_one_line(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
