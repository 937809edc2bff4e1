"""Structured mode: one JSON object with attributes and message, in a Kafka record or in a webhook's body."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.attributes import MAX_BATCH_BYTES
from contracts.envelope import (
    MAX_ATTRIBUTE_CHARS,
    MAX_MESSAGE_BYTES,
    STRUCTURED,
    EnvelopeError,
    decode,
    encode,
    read,
    read_batch,
    read_structured,
    to_structured,
)
from contracts.examples import EXAMPLES
from contracts.payments import PaymentSucceeded

TIME = datetime(2026, 3, 2, 9, 4, tzinfo=UTC)
PAID = EXAMPLES[PaymentSucceeded.CE_TYPE]
HEADERS = [("content-type", STRUCTURED.encode())]


def event(**changes: Any) -> dict[str, Any]:
    """A structured event as a webhook sends it, with attributes changed or (`...`) taken out."""
    _, _, headers, value = encode(
        PAID,
        id="0198c5a2-0000-7000-8000-000000000001",
        source="/provider",
        time=TIME,
        correlation_id="ord-0198c5a1",
        causation_id="0198c5a1-0000-7000-8000-000000000001",
        sequence=3,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return {name: value for name, value in (to_structured(headers, value) | changes).items() if value is not ...}


def body(**changes: Any) -> bytes:
    return json.dumps(event(**changes)).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(EnvelopeError) as error:
        read_structured(content)
    assert error.value.text
    return error.value.code


def test_a_structured_event_says_what_a_binary_one_says() -> None:
    _, key, headers, value = encode(
        PAID, id="e-1", source="/provider", time=TIME, correlation_id="o", causation_id="c", sequence=3
    )

    binary = read(list(headers), key, value)
    structured = read_structured(json.dumps(to_structured(headers, value)).encode())

    assert decode(structured, PaymentSucceeded) == decode(binary, PaymentSucceeded) == PAID
    for name in ("id", "type", "source", "time", "subject", "key", "correlation_id", "causation_id", "sequence"):
        assert getattr(structured, name) == getattr(binary, name)


@pytest.mark.parametrize(
    "content_type", [b"application/cloudevents+json", b"Application/CloudEvents+JSON; charset=UTF-8", None, ...]
)
def test_a_record_in_structured_mode(content_type: bytes | None) -> None:
    headers = [] if content_type is ... else [("content-type", content_type)]
    envelope = read(headers, b"ord-0198c5a1", body())
    assert envelope == read_structured(body())
    assert envelope.traceparent.startswith("00-4bf9")


def test_headers_beside_a_structured_event_do_not_count() -> None:
    assert read([*HEADERS, ("ce_id", b"other"), ("ce_type", b"\xff")], None, body()) == read_structured(body())


def test_key_and_partitionkey_are_the_same_or_refused() -> None:
    assert read(HEADERS, b"ord-1", body(partitionkey="ord-1", subject="x")).key == "ord-1"
    assert read(HEADERS, b"ord-1", body(partitionkey=..., subject="x")).key == "ord-1"
    assert read(HEADERS, None, body(partitionkey=..., subject="x")).key == "x"
    for key, changes, code in (
        (b"ord-2", {"partitionkey": "ord-1", "subject": "ord-1"}, "key_mismatch"),
        (None, {"partitionkey": ..., "subject": ...}, "missing_key"),
        (b"\xff", {}, "not_utf8"),
    ):
        with pytest.raises(EnvelopeError) as error:
            read(HEADERS, key, body(**changes))
        assert error.value.code == code


def test_optional_attributes_may_be_null_or_missing_and_unknown_ones_are_passed_over() -> None:
    names = ("time", "subject", "partitionkey", "correlationid", "causationid", "sequence", "traceparent")
    for unset in (None, ...):
        envelope = read_structured(body(**dict.fromkeys(names, unset), datacontenttype=unset, dataschema=5, other=[1]))
        assert (envelope.time, envelope.sequence, envelope.key, envelope.traceparent) == (None, None, "", "")
        assert decode(envelope, PaymentSucceeded) == PAID


def test_a_sequence_may_be_a_number() -> None:
    assert read_structured(body(sequence=12)).sequence == 12
    assert read_structured(body(sequence=-1)).sequence is None


def test_data_may_come_as_base64() -> None:
    data = base64.b64encode(json.dumps(event()["data"]).encode()).decode()
    assert decode(read_structured(body(data=..., data_base64=data)), PaymentSucceeded) == PAID
    assert decode(read_structured(body(data=None, data_base64=data)), PaymentSucceeded) == PAID
    assert refusal(body(data=..., data_base64="%%%")) == "malformed_structured"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": ...}, "missing_header"),
        ({"id": None}, "missing_header"),
        ({"type": ""}, "empty_header"),
        ({"source": "a\u0000b"}, "bad_attribute"),
        ({"id": "x" * (MAX_ATTRIBUTE_CHARS + 1)}, "too_large"),
        ({"specversion": ...}, "missing_header"),
        ({"specversion": "0.3"}, "wrong_specversion"),
        ({"specversion": 1.0}, "malformed_structured"),
        ({"id": 5}, "malformed_structured"),
        ({"sequence": True}, "malformed_structured"),
        ({"time": "noon"}, "bad_time"),
        ({"datacontenttype": "text/xml"}, "wrong_content_type"),
        ({"data": ...}, "missing_value"),
    ],
)
def test_an_event_that_cannot_be_read_is_refused_by_code(changes: dict[str, Any], code: str) -> None:
    assert refusal(body(**changes)) == code


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff", b'{"id":"\\ud800"}', b"[" * 200_000, b'{"a":' * 50_000, b"NaN"],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_not_a_json_object_is_refused(content: bytes) -> None:
    assert refusal(content) == "malformed_structured"


def test_limits_of_size() -> None:
    assert refusal(body().ljust(MAX_MESSAGE_BYTES + 1)) == "too_large"
    with pytest.raises(EnvelopeError) as error:
        read_batch(b"[]".ljust(MAX_BATCH_BYTES + 1))
    assert error.value.code == "too_large"


def test_a_batch_is_read_in_its_order() -> None:
    events = [event(id=f"e-{number}") for number in range(5)]
    assert [one.id for one in read_batch(json.dumps(events).encode())] == ["e-0", "e-1", "e-2", "e-3", "e-4"]
    assert read_batch(b"[]") == []


def test_a_batch_is_read_whole_or_not_at_all() -> None:
    with pytest.raises(EnvelopeError, match="event 1 of the batch") as error:
        read_batch(json.dumps([event(), event(type="")]).encode())
    assert error.value.code == "empty_header"


@pytest.mark.parametrize("content", [b"{}", b"[1", b"", b"\xff", b"[" * 200_000])
def test_what_is_not_a_batch_is_refused(content: bytes) -> None:
    with pytest.raises(EnvelopeError) as error:
        read_batch(content)
    assert error.value.code == "malformed_structured"
