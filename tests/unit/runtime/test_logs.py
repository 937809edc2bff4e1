"""Logs are JSON a line and hold no secret and nothing that tells who a person is."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from runtime import logs
from runtime.redaction import GONE, redacted, text

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJiLTEifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("said", "canary"),
    [
        ("connect postgresql://toy:hunter2@db:5432/toy failed", "hunter2"),
        ("postgresql://toy:p@ss@db:5432/toy", "p@ss"),
        ("bad DSN: host=db password=hunter2 user=toy", "hunter2"),
        ("{'password': 'hun ter2'}", "ter2"),
        ('{"client_secret": "hunter two"}', "two"),
        ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
        (f"the token was {TOKEN}", "eyJzdWIi"),
        ("signed with whsec_C2FVsBQIhrscChlQIMV", "C2FV"),
        ("card 4111 1111 1111 1111 declined", "1111 1111"),
        ("card 5500-0000-0000-0004", "5500"),
        ("pan=378282246310005", "378282246310005"),
        ("write to jane.doe+x@example.org", "jane"),
        ("GET /people/jane%40example.org", "jane"),
        ("call +49 (151) 1234-5678", "1234"),
        ("IBAN DE89 3704 0044 0532 0130 00", "3704"),
        ('{"street": "5 Canary Row", "city": "Wharf"}', "Canary"),
        ("shipping_address='5 Canary Row'", "Canary"),
        ("CheckViolationError: no\nDETAIL:  Failing row contains (a, Jane Doe).", "Jane"),
        ("[type=int_type, input_value='Jane Doe', input_type=str]", "Jane"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "MIIEvQ"),
    ],
)
def test_what_a_line_must_not_hold_is_taken_out(said: str, canary: str) -> None:
    assert canary in said
    assert canary not in text(said)
    assert GONE in text(said)


@pytest.mark.parametrize(
    "said",
    [
        "order ord-2026-000017 parked behind letter 4711",
        "offset 4111111111111112 of orders.events.v1/3",  # sixteen digits, but no card
        "timer:escrow:ord-1:deadline:2026-01-31T12:00:00.123456+00:00",
        "018f2b5e-7c1a-7def-8000-123456789abc",
        "connect postgresql://db:5432/toy failed",
        "stale_version: this is version 3, not 2; read it again and decide anew",
        "escrow.record_operation_result.v1",
        "0000000000000000",
    ],
)
def test_what_one_looks_a_matter_up_by_stays(said: str) -> None:
    assert text(said) == said


def test_fields_with_a_telling_name_are_emptied_at_any_depth() -> None:
    cleaned = redacted(
        {
            "event": "x",
            "token": "t",
            "order": {"buyer_id": "b-1", "shipping": [{"street": "Row", "postcode": 1}]},
            "n": 3,
        }
    )
    assert cleaned["token"] == GONE and cleaned["n"] == 3
    assert cleaned["order"] == {"buyer_id": "b-1", "shipping": [{"street": GONE, "postcode": GONE}]}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Configures logging as a service does; the lines written since."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("toy", "debug")
    monkeypatch.undo()
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_says_when_who_and_what(lines: Any) -> None:
    structlog.get_logger().info("started", topics=("a", "b"))
    (line,) = lines()
    assert line.keys() == {"event", "level", "service", "timestamp", "topics"}
    assert (line["event"], line["level"], line["service"], line["topics"]) == ("started", "info", "toy", ["a", "b"])


def test_a_traceback_tells_where_and_not_what_the_variables_held(lines: Any) -> None:
    def decide(buyers_name: str) -> None:
        raise ValueError(f"no account for {buyers_name[:0]}jane@example.org")

    try:
        decide("Jane Canary")
    except ValueError:
        structlog.get_logger().exception("batch_handed_back")
    (line,) = lines()
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert line["exception"][0]["frames"][-1]["name"] == "decide"
    assert "Canary" not in json.dumps(line) and "jane" not in json.dumps(line)


def test_what_libraries_log_is_cleaned_too(lines: Any) -> None:
    logging.getLogger("some.library").warning("retrying %s", "amqp://guest:hunter2@broker/")
    (line,) = lines()
    assert line["logger"] == "some.library" and line["service"] == "toy"
    assert line["event"] == f"retrying amqp://{GONE}@broker/"
