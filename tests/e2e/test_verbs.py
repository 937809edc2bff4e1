"""Every verb of the command line on a stack that is up, and with a wrong id, without a server and without rights."""

import asyncio
import csv
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from holdfast.stack import Stack

ORDERS = Path(__file__).parent / "orders.csv"


def holdfast(*arguments: object, code: int = 0) -> str:
    """What a call prints; where it could not be done, the one line that says why."""
    command = [sys.executable, "-m", "holdfast", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if code != 2:
        return done.stdout
    assert done.stderr.startswith("holdfast: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def played(stack: Stack) -> Stack:
    """A stack on which orders went every way that an order can go."""
    holdfast("replay", ORDERS, "--against", stack.folder)
    return stack


def told(stack: Stack, *arguments: object) -> Any:
    return json.loads(holdfast(*arguments, "--json", "--folder", stack.folder))


def test_x4_an_order_is_one_timeline_over_all_services_and_says_why_it_waits(played: Stack) -> None:
    split = told(played, "order", "show", "split")
    assert split["waiting"] == "It waits for nothing: it has come to its end."
    where = [entry["service"] for entry in split["timeline"]]
    assert {"orders", "escrow", "disputes"} <= set(where)
    times = [entry["at"] for entry in split["timeline"]]
    assert times == sorted(times)
    assert {part["place"] for part in split["money"]["where"]} == {"refunded", "paid_out", "earned"}
    stopped = told(played, "order", "show", "verified")
    assert any(entry["service"] == "identity" and "verified" in entry["what"] for entry in stopped["timeline"])
    assert "released" in holdfast("order", "show", "confirmed", "--folder", played.folder)


def test_e10_a_viewer_is_told_what_is_theirs_and_strangers_nothing(played: Stack) -> None:
    seen = told(played, "order", "show", "confirmed", "--as", "seller:s-1")
    assert "buyer_id" not in seen["order"] and set(seen["next"]) == {"you"}
    for stranger in ("seller:another", "buyer:another"):
        said = holdfast("order", "show", "confirmed", "--as", stranger, "--folder", played.folder, code=2)
        assert "not_found" in said


def test_nothing_is_stuck_and_the_doctor_finds_nothing_wrong(played: Stack) -> None:
    assert told(played, "saga", "stuck") == []
    found = told(played, "doctor")
    assert {one["verdict"] for one in found} <= {"ok", "warn"}
    assert {"escrow", "topics", "money of escrow", "clock"} <= {one["check"] for one in found}


def test_x6_flows_tell_who_writes_and_reads_and_what_nobody_declared(played: Stack) -> None:
    document = told(played, "flows", "--observed")
    flows = {flow["topic"]: flow for flow in document["flows"]}
    assert flows["orders.events.v1"]["lag"]["escrow"] == 0
    assert document["undeclared"] == [] and document["parked"] == {}
    assert "escrow.operator_needed.v1" in document["silent"]["escrow.events.v1"]
    with topic(played, "shop.clicks.v1"):
        assert told(played, "flows", "--observed")["undeclared"] == ["shop.clicks.v1: no topic of ours"]


@contextmanager
def topic(stack: Stack, name: str) -> Iterator[None]:
    """A topic that nobody declared, for the time of a block."""

    async def change(how: Callable[[AIOKafkaAdminClient], Awaitable[object]]) -> None:
        admin = AIOKafkaAdminClient(**stack.addresses.kafka_client())
        try:
            await admin.start()
            await how(admin)
        finally:
            await admin.close()

    asyncio.run(change(lambda admin: admin.create_topics([NewTopic(name, 1, 1)])))
    try:
        yield
    finally:
        asyncio.run(change(lambda admin: admin.delete_topics([name])))


def test_a_message_is_published_and_its_refusal_passes_by(played: Stack) -> None:
    folder = ["--folder", played.folder]
    data = ["--as", "buyer:another", "--data", '{"order_id": "confirmed"}']
    assert "fits its contract" in holdfast(
        "events", "publish", "orders.confirm_receipt.v1", *data, "--dry-run", *folder
    )
    sent = told(played, "events", "publish", "orders.confirm_receipt.v1", *data)
    passing = holdfast("events", "tail", "orders.commands.v1", "--from", "earliest", "--key", "confirmed",
                       "--type", "*.confirm_receipt.*", "--max", "1", "--json", *folder)  # fmt: skip
    assert json.loads(passing)["id"] == sent["id"]  # the replay confirms over HTTP
    tail = ["events", "tail", "orders.events.v1", "--from", "earliest", "--type", "*refused*", "--order", "confirmed"]
    (refusal,) = [json.loads(line) for line in holdfast(*tail, "--max", "1", "--json", *folder).splitlines()]
    assert (refusal["data"]["command_id"], refusal["data"]["code"]) == (sent["id"], "not_found")


def some_of_it(folder: Path, order: str, named: str) -> Path:
    """A file with one of the orders, under another name and in a parcel of its own."""
    path = folder / f"{named}.csv"
    with ORDERS.open(newline="") as source, path.open("w", newline="") as out:
        rows = csv.DictReader(source)
        writer = csv.DictWriter(out, rows.fieldnames or ())
        writer.writeheader()
        writer.writerows(
            row | {"order_id": named, "tracking_number": named} for row in rows if row["order_id"] == order
        )
    return path


def provider(stack: Stack, path: str, **body: str) -> None:
    """Tells the simulator of payments how to behave."""
    caller = stack.addresses.minter().bearer("operator", "test")
    httpx.post(f"{stack.addresses.services['payments']}{path}", headers=caller, json=body).raise_for_status()


def test_an_operator_decides_about_a_payout_that_failed_for_good(played: Stack, tmp_path: Path) -> None:
    # given a provider that pays nothing out for one order
    provider(played, "/script", target="withheld", outcome="fail_payout")
    holdfast("replay", some_of_it(tmp_path, "confirmed", "withheld"), "--against", played.folder)
    holdfast("clock", "advance", "30d", "--folder", played.folder)
    # then it waits for an operator, with the words for what may be done
    (waiting,) = told(played, "operations", "list")
    assert (waiting["order_id"], waiting["why"]) == ("withheld", "operation failed")
    assert told(played, "operations", "list", "withheld") == [waiting]
    payout = ("withheld", waiting["operation_id"])
    assert f"holdfast operations retry {' '.join(payout)}" in waiting["what_to_do"]
    known = holdfast("operations", "result", *payout, "--failed", "--folder", played.folder, code=2)
    assert "already_answered" in known
    # when it is sent again to a provider that is well
    provider(played, "/script/withheld/clearing")
    assert told(played, "operations", "retry", *payout)["result"] == "done"
    holdfast("clock", "advance", "2d", "--folder", played.folder)
    # then the seller has the money, once
    assert told(played, "operations", "list") == []
    assert "already_answered" in holdfast("operations", "retry", *payout, "--folder", played.folder, code=2)
    money = told(played, "order", "show", "withheld")["money"]
    assert {part["place"] for part in money["where"]} == {"paid_out", "earned"}


def test_an_operator_has_money_sent_back_that_the_provider_told_of_wrongly(played: Stack, tmp_path: Path) -> None:
    # given an order whose payment was declined, and a provider that then tells of more than it was asked for
    provider(played, "/script", target="doubted", outcome="decline")
    holdfast("replay", some_of_it(tmp_path, "confirmed", "doubted"), "--against", played.folder)
    payment = {
        "operation_id": "pay-doubted-1", "reference": "doubted", "purpose": "order", "method": "credit_card",
        "amount": {"amount": 99_999, "currency": "EUR"},
    }  # fmt: skip
    publish = ("events", "publish", "payments.payment_succeeded.v1", "--data", json.dumps(payment))
    holdfast(*publish, "--folder", played.folder)
    holdfast("clock", "advance", "1h", "--folder", played.folder)
    # then nothing is sent back on its word alone
    (waiting,) = told(played, "operations", "list", "doubted")
    assert (waiting["operation_id"], waiting["why"]) == ("pay-doubted-1", "not as asked")
    assert told(played, "operations", "list") == []  # the queue is escrow's, and escrow knows nothing of it
    # when an operator has found that the money is there
    assert told(played, "operations", "return", "doubted", "pay-doubted-1")["result"] == "done"
    holdfast("clock", "advance", "2d", "--folder", played.folder)
    # then it is the buyer's again
    assert told(played, "operations", "list", "doubted") == []
    (payment,) = told(played, "order", "show", "doubted")["order"]["payment"]["not_taken"]
    assert payment["returned_at"]


def test_flows_are_watched_until_ctrl_c(played: Stack) -> None:
    """In a terminal: drawn again and again, and ended in one line."""
    ours, its = pty.openpty()
    command = [sys.executable, "-m", "holdfast", "flows", "--watch", "--folder", str(played.folder)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
    watching = subprocess.Popen(command, stdin=its, stdout=its, stderr=subprocess.PIPE, env=environment, text=True)
    os.close(its)
    deadline = Timer(60, watching.kill)
    deadline.start()
    try:
        seen = ""
        for more in _shown(ours):
            seen += more
            if seen.count("no message is parked") == 2:
                break
        assert "orders.events.v1" in seen and "escrow" in seen
        watching.send_signal(signal.SIGINT)
        seen += "".join(_shown(ours))
        _, said = watching.communicate()
    finally:
        deadline.cancel()
        watching.kill()
        os.close(ours)
    assert (watching.returncode, said) == (130, "stopped\n"), seen


def _shown(terminal: int) -> Iterator[str]:
    """What comes on a terminal, until its program has ended."""
    while True:
        try:
            yield os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            return


def test_programs_are_told_the_clock_and_given_a_token(played: Stack) -> None:
    shown = told(played, "clock", "show")
    moved = told(played, "clock", "advance", "1h")
    assert shown["clock"] == moved["clock"] == "virtual"
    assert datetime.fromisoformat(moved["now"]) == datetime.fromisoformat(shown["now"]) + timedelta(hours=1)
    given = told(played, "token", "support:s-1", "--expires", "15m")
    assert given["expires_in"] == 900
    bearer = {"authorization": f"Bearer {given['token']}"}
    assert httpx.get(f"{played.addresses.services['orders']}/orders/confirmed", headers=bearer).status_code == 200


READS = (
    ("order", "show", "o-1"),
    ("saga", "stuck"),
    ("operations", "list"),
    ("operations", "list", "o-1"),
    ("operations", "retry", "o-1", "payout-o-1-1"),
    ("operations", "result", "o-1", "payout-o-1-1", "--failed"),
    ("operations", "return", "o-1", "pay-o-1-1"),
    ("money",),
    ("flows",),
    ("dlq", "list"),
    ("dlq", "show", "escrow:1"),
    ("dlq", "replay", "escrow", "o-1", "--reason", "x"),
    ("dlq", "discard", "escrow", "o-1", "1", "--reason", "x"),
    ("clock", "show"),
    ("clock", "advance", "1d"),
    ("events", "tail", "--max", "1"),
    ("events", "publish", "orders.confirm_receipt.v1", "--as", "buyer:b", "--data", '{"order_id": "o"}'),
    ("token", "buyer:b-1"),
    ("down",),
)


@pytest.mark.parametrize("verb", READS, ids=lambda verb: " ".join(verb[:2]))
def test_without_a_server_a_verb_says_how_to_start_one(verb: tuple[str, ...], tmp_path: Path) -> None:
    assert "holdfast up" in holdfast(*verb, "--folder", tmp_path / "nothing", code=2)


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (("order", "show", "nothing"), "not_found"),
        (("order", "show", "../../metrics"), "no_such_route"),
        (("order", "show", "confirmed", "--as", "king:a"), "ROLE:ID"),
        (("dlq", "show", "escrow:99"), "not_found"),
        (("dlq", "show", "nowhere:1"), "there is no service"),
        (("dlq", "show", "escrow"), "holdfast dlq list"),
        (("dlq", "replay", "escrow", "nothing", "--reason", "a test"), "not_found"),
        (("dlq", "discard", "escrow", "nothing", "1", "--reason", "a test"), "not_found"),
        (("saga", "stuck", "--older", "long"), "2d"),
        (("operations", "list", "nothing"), "not_found"),
        (("operations", "retry", "nothing", "payout-1"), "not_found"),
        (("operations", "retry", "confirmed", "payout-1"), "unknown_operation"),
        (("operations", "retry", "../..", "payout-1"), "no_such_route"),
        (("operations", "result", "nothing", "payout-1", "--failed"), "not_found"),
        (("operations", "result", "confirmed", "payout-1", "--succeeded"), "unknown_operation"),
        (("operations", "result", "confirmed", "payout-1"), "--by-bank"),
        (("operations", "result", "confirmed", "payout-1", "--succeeded", "--failed"), "--by-bank"),
        (("operations", "return", "nothing", "pay-1"), "not_found"),
        (("operations", "return", "confirmed", "pay-1"), "unknown_operation"),
        (("flows", "--watch", "--json"), "--watch is for people"),
        (("clock", "advance", "yesterday"), "ISO 8601"),
        (("events", "tail", "nowhere.events.v1"), "holdfast flows"),
        (("events", "tail", "--from", "once"), "ISO 8601"),
        (("events", "publish", "orders.nothing.v1"), "holdfast events types"),
        (("events", "publish", "orders.confirm_receipt.v1", "--data", "{"), "no JSON object"),
        (("events", "publish", "orders.confirm_receipt.v1", "--data", "@/nowhere"), "cannot be read"),
        (("events", "types", "orders.nothing.v1"), "holdfast events types"),
        (("token", "king:a"), "ROLE:ID"),
        (("reconcile", "--day", "someday"), ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_with_a_wrong_word_a_verb_says_what_is_wrong(verb: tuple[str, ...], said: str, played: Stack) -> None:
    if verb[:2] == ("events", "types"):
        assert said in holdfast(*verb, code=2)
    elif verb[0] == "reconcile":
        command = [sys.executable, "-m", "holdfast", *verb, "--folder", str(played.folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and "Traceback" not in done.stderr
    else:
        assert said in holdfast(*verb, "--folder", played.folder, code=2)


def test_without_rights_a_verb_says_who_may(played: Stack) -> None:
    keys = Path(played.addresses.keys)
    hidden = keys.rename(keys.with_name("hidden"))
    try:
        for verb in (
            ("order", "show", "confirmed"),
            ("money",),
            ("dlq", "list"),
            ("saga", "stuck"),
            ("operations", "list"),
            ("operations", "retry", "confirmed", "payout-1"),
            ("operations", "return", "confirmed", "pay-1"),
            ("token", "buyer:b"),
        ):
            assert "no_keys" in holdfast(*verb, "--folder", played.folder, code=2)
        assert "no_keys" in holdfast("doctor", "--folder", played.folder, code=1)
    finally:
        hidden.rename(keys)
