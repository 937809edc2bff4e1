"""A dead letter as people see it."""

import io
from typing import Any

import pytest
from rich.console import Console

from holdfast.letters import place, show, what_to_do

LETTER: dict[str, Any] = {
    "seq": 7,
    "key": "ord 1",
    "status": "failed",
    "code": "decision_raised",
    "error": "KeyError: '[bold]'",
    "parked_at": "2026-03-02T08:00:00+00:00",
    "topic": "orders.events.v1",
    "partition": 3,
    "offset": 12,
    "record_key": "ord 1",
    "headers": [["ce_type", "orders.order_paid.v1"], ["ce_id", "x-1"]],
    "value": '{"order_id":"ord 1"}',
    "value_encoding": "utf-8",
    "resolved_at": None,
    "resolved_by": None,
    "reason": None,
}


@pytest.mark.parametrize(
    ("what", "where"),
    [
        ({}, "orders.events.v1, partition 3, offset 12"),
        ({"topic": "timer", "partition": -1, "offset": -1}, "a timer of the service"),
        ({"partition": -1, "offset": -1}, "a webhook of orders.events.v1"),
        ({"partition": -1, "offset": -2}, "on its way to orders.events.v1"),
    ],
)
def test_its_place(what: dict[str, Any], where: str) -> None:
    assert place(LETTER | what) == where


def test_a_failed_one_is_replayed_or_discarded_by_commands_that_can_be_copied() -> None:
    said = what_to_do("escrow", LETTER)
    assert "holdfast dlq replay escrow 'ord 1' --reason" in said
    assert "holdfast dlq discard escrow 'ord 1' 7 --reason" in said


def test_one_that_waits_goes_on_with_the_one_before_it_and_cannot_be_discarded_first() -> None:
    said = what_to_do("escrow", LETTER | {"status": "waiting"})
    assert "waits behind" in said and "discard" not in said


def test_one_that_is_done_with_tells_who_did_it_and_why() -> None:
    done = {"status": "replayed", "resolved_at": "2026-03-03", "resolved_by": "op-1", "reason": "fixed in 1.2"}
    assert what_to_do("escrow", LETTER | done) == ("nothing: replayed by op-1 at 2026-03-03, because: fixed in 1.2")


def shown(letter: dict[str, Any]) -> str:
    out = io.StringIO()
    show("escrow", letter, Console(file=out, width=300))
    return out.getvalue()


def test_the_whole_letter_is_shown_as_it_came() -> None:
    text = shown(LETTER)
    for part in (
        "escrow:7",
        "ce_type: orders.order_paid.v1",
        "ce_id: x-1",
        '"order_id": "ord 1"',
        "KeyError: '[bold]'",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "encoding", "said"),
    [
        (None, None, "none"),
        ("not json", "utf-8", "not json"),
        ("/w==", "base64", "not text; in base64: /w=="),
    ],
)
def test_a_value_that_is_no_json_is_shown_all_the_same(value: str | None, encoding: str | None, said: str) -> None:
    assert said in shown(LETTER | {"value": value, "value_encoding": encoding})
