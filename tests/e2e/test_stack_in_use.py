"""A stack that is up, with two processes of each service, used from the command line as its operators would."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from holdfast.addresses import SERVICES, find
from holdfast.replay.reader import COLUMNS
from holdfast.stack import Stack
from tests.chaos.check import members
from tests.e2e.conftest import START
from tests.waiting import eventually

ORDERS = Path(__file__).parent / "orders.csv"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stack]:
    folder = server_folder / f"stack-{tmp_path_factory.mktemp('stack').name}"
    running = Stack.start(folder, clock=START, say=lambda _: None, replicas=2)
    yield running
    running.stop(say=lambda _: None)


@pytest.fixture(autouse=True)
def told_where(stack: Stack) -> None:
    """The command line finds the stack by its folder: nothing else is told to it."""
    assert find(stack.folder) == stack.addresses


def holdfast(*arguments: object, code: int = 0) -> str:
    """What a call prints."""
    command = [sys.executable, "-m", "holdfast", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert code == 0 or done.stderr.count("\n") == 1, done.stderr
    return done.stdout + (done.stderr if code else "")


def file_of(folder: Path, rows: Mapping[str, str]) -> Path:
    """Some of the orders, each under a name of its own."""
    path = folder / "some.csv"
    with ORDERS.open(newline="") as source, path.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        for row in csv.DictReader(source):
            if row["order_id"] in rows:
                writer.writerow(row | {"order_id": rows[row["order_id"]]})
    return path


def replayed(stack: Stack, file: Path) -> Any:
    return json.loads(holdfast("replay", file, "--against", stack.folder, "--json"))


def now(stack: Stack) -> datetime:
    return datetime.fromisoformat(holdfast("clock", "show", "--folder", stack.folder).strip())


async def test_its_replicas_share_the_work_of_each_service(stack: Stack) -> None:
    for name in SERVICES:
        assert len(set(stack.addresses.all(name))) == 2
        shares = await members(stack.addresses.kafka, name)
        assert len(shares) == 2 and all(shares.values()), name


def test_a_file_is_replayed_against_it_and_it_stays_up(stack: Stack, tmp_path: Path) -> None:
    report = replayed(stack, file_of(tmp_path, {"confirmed": "first-1", "late": "first-2", "split": "first-3"}))
    assert report["clean"] and report["states"] == {"released": 1, "refunded": 1, "settled": 1}
    assert now(stack) > START + timedelta(days=10)


def test_a_file_older_than_its_clock_is_tried_later_whole_and_in_order(stack: Stack, tmp_path: Path) -> None:
    before = now(stack)
    report = replayed(stack, file_of(tmp_path, {"silent": "second-1"}))
    assert report["clean"] and report["states"] == {"released": 1} and not report["refusals"]
    assert report["by_themselves"]["funds_released:buyer_silent"] == 1
    assert datetime.fromisoformat(report["virtual_from"]) > before


async def test_what_is_parked_is_looked_at_and_given_up(stack: Stack) -> None:
    folder = ["--folder", stack.folder]
    # given two things on a topic of escrow's that are no messages
    async with AIOKafkaProducer(bootstrap_servers=stack.addresses.kafka) as producer:
        for value in (b"\xff no message", b'{"no": "message"}'):
            await producer.send_and_wait("disputes.events.v1", value, b"bro/ken", 0, headers=[("trace", b"t-1")])

    async def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(holdfast("dlq", "list", "--json", *folder))
        return found

    async def both() -> bool:
        return len(await letters()) == 2

    await eventually(both)
    # then each can be looked at, whole
    first, second = await letters()
    assert [letter["status"] for letter in (first, second)] == ["failed", "waiting"]
    whole = json.loads(holdfast("dlq", "show", first["id"], "--json", *folder))
    assert first.items() <= whole.items()
    assert (whole["topic"], whole["partition"], whole["key"]) == ("disputes.events.v1", 0, "bro/ken")
    assert (whole["value_encoding"], whole["headers"]) == ("base64", [["trace", "t-1"]])
    shown = holdfast("dlq", "show", second["id"], *folder)
    for part in ("waiting", "bro/ken", "disputes.events.v1", "trace: t-1", '"no": "message"', "what to do"):
        assert part in shown
    assert "not_found" in holdfast("dlq", "show", "escrow:999999", *folder, code=2)
    # and when both are given up, the list is empty and the reason is kept
    tried = json.loads(holdfast("dlq", "replay", "escrow", "bro/ken", "--reason", "was a test", "--json", *folder))
    assert tried["dry_run"] and tried["left"] == 2 and tried["letters"]
    for letter, left in ((first, 1), (second, 0)):
        discard = ("dlq", "discard", "escrow", "bro/ken", letter["seq"], "--reason", "was a test", "--json")
        assert json.loads(holdfast(*discard, *folder))["left"] == left
    assert await letters() == []
    assert "was a test" in holdfast("dlq", "show", first["id"], *folder)


async def test_a_service_killed_and_started_again_is_quiet_again_and_the_clock_goes_on(
    stack: Stack, tmp_path: Path
) -> None:
    # given both processes of escrow killed, and started anew, with no memory of what they handled
    for name in ("escrow", "escrow-2"):
        stack.processes[name].kill()
    for name in ("escrow", "escrow-2"):
        stack.processes[name].launch()
    # when the clock is moved, then it is waited for until they answer, and all is found quiet
    before = now(stack)
    holdfast("clock", "advance", "1d", "--folder", stack.folder)
    assert now(stack) == before + timedelta(days=1)
    # and orders go on
    report = replayed(stack, file_of(tmp_path, {"confirmed": "third-1"}))
    assert report["clean"] and report["states"] == {"released": 1}
