"""The envelope: what is sent arrives, what is not ours is passed over, and what cannot be read is refused by code."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from contracts.envelope import (
    MAX_ATTRIBUTE_CHARS,
    MAX_MESSAGE_BYTES,
    EnvelopeError,
    decode,
    encode,
    read,
)
from contracts.examples import EXAMPLES
from contracts.message import Message
from contracts.orders import CommandRefused, OrderShipped
from contracts.registry import REGISTRY

TIME = datetime(2026, 3, 5, 1, 30, 0, 250000, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SHIPPED = EXAMPLES[OrderShipped.CE_TYPE]

Headers = list[tuple[str, bytes | None]]


def sent(message: Message = SHIPPED, **changes: object) -> tuple[Headers, bytes, bytes]:
    """Headers, key and value of a message as we send it."""
    attributes = {
        "id": "0198c8f0-5d2e-7a11-8b3c-9d4e5f607182",
        "source": "/holdfast/orders",
        "time": TIME,
        "correlation_id": "ord-0198c5a1",
        "causation_id": "0198c8ef-0000-7000-8000-000000000001",
        "sequence": 7,
        "traceparent": TRACE,
    } | changes
    _, key, headers, value = encode(message, **attributes)
    return list(headers), key, value


def changed(headers: Headers, **changes: bytes | None) -> Headers:
    """The headers with some of them replaced (`content_type` for `content-type`), or taken out (`...`)."""
    replaced = dict(headers) | {name.replace("content_type", "content-type"): raw for name, raw in changes.items()}
    return [(name, raw) for name, raw in replaced.items() if raw is not ...]


def refusal(headers: Headers, key: bytes | None, value: bytes | None) -> str:
    with pytest.raises(EnvelopeError) as error:
        read(headers, key, value)
    assert error.value.text
    return error.value.code


@pytest.mark.parametrize("name", REGISTRY)
def test_every_message_arrives_as_it_was_sent(name: str) -> None:
    message = EXAMPLES[name]

    envelope = read(*sent(message))

    assert decode(envelope, REGISTRY[envelope.type]) == message
    assert (envelope.type, envelope.key, envelope.subject) == (name, message.key, message.key)
    assert (envelope.source, envelope.time, envelope.sequence) == ("/holdfast/orders", TIME, 7)
    assert (envelope.correlation_id, envelope.traceparent) == ("ord-0198c5a1", TRACE)
    assert envelope.causation_id == "0198c8ef-0000-7000-8000-000000000001"


def test_a_message_goes_to_the_topic_of_its_type_under_the_id_of_its_aggregate() -> None:
    topic, key, _, value = encode(
        SHIPPED, id="e-1", source="/s", time=TIME, correlation_id="", causation_id="", sequence=1
    )
    assert (topic, key) == ("orders.events.v1", b"ord-0198c5a1")
    assert json.loads(value)["order_id"] == "ord-0198c5a1"


def test_what_there_is_not_is_not_sent() -> None:
    headers, _, value = sent(EXAMPLES["orders.pay_order.v1"], correlation_id="", causation_id="", traceparent="")

    assert b"null" not in value
    assert not {"ce_correlationid", "ce_causationid", "traceparent"} & dict(headers).keys()


def test_time_is_sent_in_utc() -> None:
    headers, _, _ = sent(time=datetime(2026, 3, 5, 10, 30, tzinfo=timezone(timedelta(hours=9))))
    assert dict(headers)["ce_time"] == b"2026-03-05T01:30:00Z"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        (b"2026-03-05T01:30:00Z", datetime(2026, 3, 5, 1, 30, tzinfo=UTC)),
        (b"2026-03-05T10:30:00+09:00", datetime(2026, 3, 5, 1, 30, tzinfo=UTC)),
        (b"2026-03-05T01:30:00.123456789Z", datetime(2026, 3, 5, 1, 30, 0, 123456, tzinfo=UTC)),
        (b"2026-03-05t01:30:00z", datetime(2026, 3, 5, 1, 30, tzinfo=UTC)),
        (b"", None),
        (None, None),
    ],
)
def test_times_of_others(text: bytes | None, time: datetime | None) -> None:
    headers, key, value = sent()
    assert read(changed(headers, ce_time=text), key, value).time == time


def test_optional_attributes_may_be_missing() -> None:
    _, key, value = sent()
    required = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", b"t"), ("ce_source", b"s")]

    envelope = read(required, key, value)

    assert (envelope.subject, envelope.correlation_id, envelope.causation_id, envelope.traceparent) == ("", "", "", "")
    assert (envelope.time, envelope.sequence, envelope.key) == (None, None, "ord-0198c5a1")


def test_what_is_not_ours_is_passed_over() -> None:
    headers, key, value = sent()
    foreign: Headers = [
        ("x-blob", b"\xff\xfe\x00"),
        ("ce_dataschema", b"\xff"),
        ("tracestate", b"\xc3\x28"),
        ("", None),
        ("ce_", b""),
        ("Content-Type", b"text/plain"),
    ]
    assert read([*foreign, *headers, *foreign], key, value) == read(headers, key, value)


@pytest.mark.parametrize("trace", [b"", b"\xff" * 55, b"00-short", b"\x00" * 55, b"0" * 4000])
def test_a_spoilt_trace_context_does_not_spoil_the_message(trace: bytes) -> None:
    headers, key, value = sent()
    assert read(changed(headers, traceparent=trace), key, value).traceparent == ""


@pytest.mark.parametrize("sequence", [b"S-00012", b"-1", b"1.5", b"1_000", "٣".encode(), b"9" * 40])
def test_a_sequence_of_another_making_is_none(sequence: bytes) -> None:
    headers, key, value = sent()
    assert read(changed(headers, ce_sequence=sequence), key, value).sequence is None


def test_header_names_in_other_spellings_are_understood() -> None:
    headers, key, value = sent()
    spelled = [(name.title().replace("Ce_", "CE_"), raw) for name, raw in headers]
    assert read(spelled, key, value) == read(headers, key, value)


def test_the_last_of_a_repeated_header_counts() -> None:
    headers, key, value = sent()
    assert read([("ce_id", b"first"), *headers], key, value).id == "0198c8f0-5d2e-7a11-8b3c-9d4e5f607182"


@pytest.mark.parametrize(
    "content_type",
    [..., b"", b"application/json; charset=utf-8", b'Application/JSON;Charset="UTF-8"', b"application/vnd.shop+json"],
)
def test_content_types_that_mean_json(content_type: bytes) -> None:
    headers, key, value = sent()
    assert read(changed(headers, content_type=content_type), key, value) == read(headers, key, value)


@pytest.mark.parametrize(
    "content_type",
    [
        b"text/plain",
        b"application/xml",
        b"application/json; charset=latin-1",
        b"application/cloudevents+avro",
        b"application/cloudevents-batch+json",
        b"\xff\xfe",
    ],
)
def test_other_content_types_are_refused(content_type: bytes) -> None:
    headers, key, value = sent()
    assert refusal(changed(headers, content_type=content_type), key, value) == "wrong_content_type"


@pytest.mark.parametrize("name", ["ce_specversion", "ce_id", "ce_type", "ce_source"])
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (..., "missing_header"),
        (None, "missing_header"),
        (b"", "empty_header"),
        (b"\xff\xfe", "not_utf8"),
        (b"a\x00b", "bad_attribute"),
        (b"a\nb", "bad_attribute"),
        ("\ufdd0".encode(), "bad_attribute"),
        (b"x" * (MAX_ATTRIBUTE_CHARS + 1), "too_large"),
    ],
)
def test_required_attributes_are_refused_by_code(name: str, raw: bytes | None, code: str) -> None:
    headers, key, value = sent()
    assert refusal(changed(headers, **{name: raw}), key, value) == code


@pytest.mark.parametrize(
    "name", ["ce_time", "ce_subject", "ce_partitionkey", "ce_correlationid", "ce_causationid", "ce_sequence"]
)
@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"\xff\xfe", "not_utf8"), (b"\x07", "bad_attribute"), (b"x" * (MAX_ATTRIBUTE_CHARS + 1), "too_large")],
)
def test_optional_attributes_are_refused_by_code(name: str, raw: bytes, code: str) -> None:
    headers, key, value = sent()
    assert refusal(changed(headers, **{name: raw}), key, value) == code


@pytest.mark.parametrize("version", [b"0.3", b"1.1", b"2.0", b"1", b" 1.0"])
def test_another_version_of_cloudevents_is_refused(version: bytes) -> None:
    headers, key, value = sent()
    assert refusal(changed(headers, ce_specversion=version), key, value) == "wrong_specversion"


@pytest.mark.parametrize(
    "time",
    [
        b"yesterday",
        b"2026-03-05T01:30:00",
        b"2026-03-05",
        b"2026-13-05T01:30:00Z",
        b"0001-01-01T00:00:00+23:59",
        b"1e9",
    ],
)
def test_a_time_that_is_none_is_refused(time: bytes) -> None:
    headers, key, value = sent()
    assert refusal(changed(headers, ce_time=time), key, value) == "bad_time"


def test_no_headers_at_all() -> None:
    _, key, value = sent()
    assert refusal([], key, value) == "missing_header"
    assert refusal([], key, b"not json") == "malformed_structured"


@pytest.mark.parametrize("value", [None, b""])
def test_a_record_without_a_value_is_refused(value: bytes | None) -> None:
    headers, key, _ = sent()
    assert refusal(headers, key, value) == "missing_value"


def test_key_and_partitionkey_are_the_same_or_refused() -> None:
    headers, key, value = sent()
    assert refusal(headers, b"ord-other", value) == "key_mismatch"
    assert refusal(changed(headers, ce_partitionkey=b"ord-other"), key, value) == "key_mismatch"
    assert refusal(headers, b"\xff", value) == "not_utf8"
    assert refusal(headers, b"k" * (MAX_ATTRIBUTE_CHARS + 1), value) == "too_large"


@pytest.mark.parametrize("key", [None, b""])
def test_partitionkey_or_subject_stand_in_for_the_record_key(key: bytes | None) -> None:
    headers, expected, value = sent()
    assert read(headers, key, value).key == expected.decode()
    assert read(changed(headers, ce_partitionkey=...), key, value).key == expected.decode()
    assert refusal(changed(headers, ce_partitionkey=..., ce_subject=...), key, value) == "missing_key"


def test_a_subject_of_another_making_does_not_matter_beside_a_key() -> None:
    headers, key, value = sent()
    envelope = read(changed(headers, ce_subject=b"shop/42"), key, value)
    assert (envelope.subject, envelope.key) == ("shop/42", key.decode())


def test_a_value_over_the_limit_is_refused_both_ways() -> None:
    headers, key, value = sent()
    assert read(headers, key, value.ljust(MAX_MESSAGE_BYTES)).key == key.decode()
    assert refusal(headers, key, value.ljust(MAX_MESSAGE_BYTES + 1)) == "too_large"

    huge = CommandRefused.model_construct(
        subject="ord-1", command_id="c", command_type="t", code="c", reason="x" * MAX_MESSAGE_BYTES
    )
    with pytest.raises(EnvelopeError) as error:
        sent(huge)
    assert error.value.code == "too_large"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": ""}, "empty_header"),
        ({"source": ""}, "empty_header"),
        ({"time": datetime(2026, 3, 5)}, "bad_time"),
        ({"message": CommandRefused(subject="", command_id="c", command_type="t", code="c", reason="")}, "missing_key"),
    ],
)
def test_what_could_not_be_read_is_not_sent(changes: dict[str, object], code: str) -> None:
    with pytest.raises(EnvelopeError) as error:
        sent(**changes)
    assert error.value.code == code
