"""Whatever bytes come, reading them gives a message or a typed refusal; nothing else is ever raised."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import (
    BATCH,
    JSON,
    STRUCTURED,
    Envelope,
    EnvelopeError,
    InvalidData,
    decode,
    read,
    read_batch,
    read_structured,
)
from contracts.examples import EXAMPLES
from contracts.message import Message
from contracts.registry import REGISTRY
from contracts.snapshots import value_of

names = st.sampled_from(sorted(REGISTRY))
attributes = ["specversion", "id", "type", "source", "time", "subject", "partitionkey", "correlationid", "sequence"]
header_names = st.sampled_from([f"ce_{name}" for name in attributes] + ["content-type", "traceparent", "Content-Type"])
content_types = st.sampled_from(
    [JSON, STRUCTURED, BATCH, f"{STRUCTURED}; charset=utf-8", "text/plain", "", ";", "a;b=c;="]
)
raws = (
    st.none()
    | st.binary(max_size=40)
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.sampled_from([b"1.0", b"2026-03-05T01:30:00Z", *(name.encode() for name in sorted(REGISTRY))])
    | content_types.map(str.encode)
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(10**4000),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def dumped(value: Any) -> bytes:
    """JSON as a careless producer writes it: NaN, lone surrogates and numbers of any length included."""
    return json.dumps(value).encode()


def message_or_refusal(envelope: Envelope, message_type: type[Message]) -> Message | None:
    try:
        return decode(envelope, message_type)
    except InvalidData as error:
        assert error.code in ("invalid_data", "key_mismatch")
        assert "\n" not in error.text
        return None


@given(
    st.lists(st.tuples(header_names | st.text(max_size=12), raws), max_size=14), raws, raws | json_values.map(dumped)
)
def test_any_record(headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes | None) -> None:
    try:
        envelope = read(headers, key, value)
    except EnvelopeError as error:
        assert error.code
        assert error.text
    else:
        assert envelope.id
        assert envelope.key
        message_or_refusal(envelope, REGISTRY.get(envelope.type, REGISTRY["orders.place_order.v1"]))


@given(names, st.lists(st.tuples(header_names, raws), max_size=3), raws)
def test_a_good_record_with_spoilt_headers(
    name: str, spoilt: list[tuple[str, bytes | None]], key: bytes | None
) -> None:
    message = EXAMPLES[name]
    good = [("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_type", name.encode()), ("ce_source", b"s")]
    try:
        envelope = read(good + spoilt, key or message.key.encode(), value_of(message))
    except EnvelopeError as error:
        assert error.code
    else:
        message_or_refusal(envelope, REGISTRY[name])


def envelope_or_code(headers: list[tuple[str, bytes | None]], key: bytes | None) -> Envelope | str:
    try:
        return read(headers, key, b"{}")
    except EnvelopeError as error:
        return error.code


ODD = [None, b"", b" ", b"o 1", b"\xc3", b"\xa9", "ö".encode(), b"o\0", b"o" * 90, b"o" * 256, b"o" * 257]
ODD += [b"1.0", b"7", b"-7", b"2026-03-05T01:30:00Z", b"2026-03-05", b"00-" + b"1" * 60]


@pytest.mark.parametrize("name", ["key", "traceparent", *(f"ce_{name}" for name in [*attributes, "causationid"])])
@pytest.mark.parametrize("raw", ODD, ids=lambda raw: repr(raw)[:24])
def test_a_record_is_read_alike_whether_it_looks_usual_or_not(name: str, raw: bytes | None) -> None:
    key = raw if name == "key" else b"o-1"
    headers: dict[str, bytes | None] = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_type": b"t", "ce_source": b"s"}
    headers |= {"ce_subject": key, "ce_partitionkey": key} | ({} if name == "key" else {name: raw})
    usual = envelope_or_code([*headers.items(), ("content-type", JSON.encode())], key)
    unusual = envelope_or_code([*headers.items(), ("Content-Type", b"application/json; charset=utf-8")], key)
    assert usual == unusual


@given(names, st.data())
def test_a_good_message_with_some_bytes_changed(name: str, draw: st.DataObject) -> None:
    value = bytearray(value_of(EXAMPLES[name]))
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(value) - 1))
        value[at : at + draw.draw(st.integers(0, 3))] = draw.draw(st.binary(max_size=3))
    message_or_refusal(Envelope("e", name, "s", None, "", "", "", "", None, "", bytes(value)), REGISTRY[name])


@given(names, st.data())
def test_a_good_message_with_any_value_in_one_place(name: str, draw: st.DataObject) -> None:
    document = json.loads(value_of(EXAMPLES[name]))
    place = document
    while True:
        step = draw.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not isinstance(place[step], dict | list) or not place[step] or draw.draw(st.booleans()):
            break
        place = place[step]
    place[step] = draw.draw(json_values)
    message = message_or_refusal(
        Envelope("e", name, "s", None, "", "", "", "", None, "", dumped(document)), REGISTRY[name]
    )
    # What was taken in can be sent on.
    assert message is None or type(message).model_validate_json(value_of(message)) == message


@given(st.binary(max_size=60) | json_values.map(dumped))
def test_any_webhook_body(body: bytes) -> None:
    for reader in (read_structured, read_batch):
        try:
            reader(body)
        except EnvelopeError as error:
            assert error.code


@given(st.dictionaries(st.sampled_from([*attributes, "data", "data_base64", "datacontenttype"]), json_values))
def test_any_attributes_in_structured_mode(changes: dict[str, Any]) -> None:
    event = {"specversion": "1.0", "id": "1", "type": "t", "source": "s", "data": {}} | changes
    try:
        assert read_structured(dumped(event)).id
    except EnvelopeError as error:
        assert error.code
