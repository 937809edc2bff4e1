"""CloudEvents in structured mode: one JSON object holds the attributes and the message. What webhooks send."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import msgspec

from contracts.attributes import (
    JSON,
    MAX_BATCH_BYTES,
    MAX_MESSAGE_BYTES,
    Envelope,
    EnvelopeError,
    checked,
    is_json,
    parse_sequence,
    parse_time,
    parse_traceparent,
    refuse_missing,
    refuse_specversion,
    too_large,
)


def read_structured(body: bytes) -> Envelope:
    """The envelope of one `application/cloudevents+json` body. Raises `EnvelopeError`.

    `key` is the attribute `partitionkey`, or else `subject`; it is "" when there is neither.
    """
    envelope = read_event(body)
    return envelope if envelope.key else msgspec.structs.replace(envelope, key=envelope.subject)


def read_batch(body: bytes) -> list[Envelope]:
    """The envelopes of one `application/cloudevents-batch+json` body, in its order; all or none.

    Raises `EnvelopeError`, whose text says which event of the batch is meant.
    """
    if len(body) > MAX_BATCH_BYTES:
        raise too_large(f"a batch of {len(body)} bytes", MAX_BATCH_BYTES)
    try:
        events = msgspec.json.decode(body, type=list[msgspec.Raw])
    except _UNREADABLE:
        raise EnvelopeError("malformed_structured", "the body is not a JSON array of CloudEvents") from None
    envelopes = []
    for position, event in enumerate(events):
        try:
            envelopes.append(read_structured(bytes(event)))
        except EnvelopeError as error:
            raise EnvelopeError(error.code, f"event {position} of the batch: {error.text}") from None
    return envelopes


def to_structured(headers: Sequence[tuple[str, bytes]], value: bytes) -> dict[str, Any]:
    """What `encode` gave, as one structured event ready for a JSON body: its attributes, and the message as `data`."""
    event: dict[str, Any] = {}
    for name, raw in headers:
        if name.startswith("ce_"):
            event[name[3:]] = raw.decode()
        elif name == "content-type":
            event["datacontenttype"] = raw.decode()
        elif name == "traceparent":
            event[name] = raw.decode()
    event["data"] = msgspec.json.decode(value)
    return event


def read_event(body: bytes) -> Envelope:
    """As `read_structured`, but `key` is `partitionkey` alone, so that it can be compared with a record key."""
    if len(body) > MAX_MESSAGE_BYTES:
        raise too_large(f"an event of {len(body)} bytes", MAX_MESSAGE_BYTES)
    try:
        event = _decoder.decode(body)
    except _UNREADABLE as error:
        # Messages of msgspec name positions and types, never contents.
        raise EnvelopeError("malformed_structured", f"the body is not a JSON CloudEvent: {error}") from None
    if event.specversion != "1.0":
        refuse_specversion(_required("specversion", event.specversion))
    time = _optional("time", event.time)
    return Envelope(
        _required("id", event.id),
        _required("type", event.type),
        _required("source", event.source),
        parse_time(time) if time else None,
        _optional("subject", event.subject),
        _optional("partitionkey", event.partitionkey),
        _optional("correlationid", event.correlationid),
        _optional("causationid", event.causationid),
        parse_sequence(str(event.sequence)),
        parse_traceparent((event.traceparent or "").encode()),
        _data(event),
    )


class _Event(msgspec.Struct):
    """The JSON event format; an attribute that is not set may be null, and unknown attributes are passed over."""

    specversion: str | None = None
    id: str | None = None
    type: str | None = None
    source: str | None = None
    time: str | None = None
    subject: str | None = None
    partitionkey: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    sequence: str | int | None = None
    traceparent: str | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_decoder = msgspec.json.Decoder(_Event)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _required(name: str, text: str | None) -> str:
    return checked(name, text) if text else refuse_missing(name, text)


def _optional(name: str, text: str | None) -> str:
    return checked(name, text) if text else ""


def _data(event: _Event) -> bytes:
    if not is_json((event.datacontenttype or JSON).lower()):
        raise EnvelopeError("wrong_content_type", "datacontenttype is not JSON; send data as application/json")
    data = bytes(event.data)
    if event.data_base64 is not None and data in (b"", b"null"):
        try:
            data = base64.b64decode(event.data_base64, validate=True)
        except (binascii.Error, ValueError):
            raise EnvelopeError("malformed_structured", "data_base64 is not base64") from None
    if not data:
        raise EnvelopeError("missing_value", "the event has no data; send the message as `data`")
    return data
