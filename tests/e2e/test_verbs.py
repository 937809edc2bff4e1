"""Every verb of the command line on a stack that is up, and with a wrong id, without a server and without rights."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


READS = (
    ("order", "show", "o-1"),
    ("saga", "stuck"),
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
            ("token", "buyer:b"),
        ):
            assert "no_keys" in holdfast(*verb, "--folder", played.folder, code=2)
        assert "no_keys" in holdfast("doctor", "--folder", played.folder, code=1)
    finally:
        hidden.rename(keys)
