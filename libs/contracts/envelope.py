"""The envelope: CloudEvents 1.0 over Kafka, written by hand because it is on the path of every message.

Out in binary mode: attributes in `ce_…` headers, the message as plain JSON in the value. In, binary and structured
(`application/cloudevents+json`). Kafka compares header names exactly and the binding writes them in lower case; other
spellings are understood too, as bridges from HTTP produce them. Of a repeated header the last counts. What is not ours
is passed over: unknown headers and attributes, whatever their bytes.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec
from pydantic import ValidationError

from contracts.attributes import (
    BATCH,
    JSON,
    MAX_ATTRIBUTE_CHARS,
    MAX_BATCH_BYTES,
    MAX_MESSAGE_BYTES,
    STRUCTURED,
    Envelope,
    EnvelopeError,
    attribute,
    charset_is_utf8,
    is_json,
    key_mismatch,
    parse_sequence,
    parse_time,
    parse_traceparent,
    refuse_keyless,
    refuse_missing,
    refuse_specversion,
    too_large,
)
from contracts.message import Message
from contracts.registry import UPCASTS, Upcast, upcast
from contracts.structured import read_batch, read_event, read_structured, to_structured

M = TypeVar("M", bound=Message)

Headers = Sequence[tuple[str, bytes | None]]
Found = dict[str, Any]
"""Headers by name; a value may be None."""


class InvalidData(ValueError):
    """The value of a message is not what its type says. Codes: invalid_data, key_mismatch.

    The text names the fields and what they should be, never what was in them (it may be personal).
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def encode(
    message: Message,
    *,
    id: str,
    source: str,
    time: datetime,
    correlation_id: str,
    causation_id: str,
    sequence: int,
    traceparent: str = "",
) -> tuple[str, bytes, list[tuple[str, bytes]], bytes]:
    """Topic, record key, headers and value of a message in binary mode.

    Fields that are None are left out of the value: absent and null mean the same in every contract, and an added
    optional field costs nothing until it is used. Empty optional attributes are left out of the headers. Raises
    `EnvelopeError`: too_large, missing_key, empty_header, bad_time (a time without offset).
    """
    value: bytes = message.__pydantic_serializer__.to_json(message, exclude_none=True)
    if len(value) > MAX_MESSAGE_BYTES:
        raise too_large(f"{message.CE_TYPE} of {len(value)} bytes", MAX_MESSAGE_BYTES)
    key = message.key.encode()
    if not key:
        raise EnvelopeError("missing_key", f"{message.CE_TYPE} has an empty {message.KEY}, which is its key")
    if not id or not source:
        raise EnvelopeError("empty_header", f"{message.CE_TYPE} needs an id and a source")
    headers = [
        _SPECVERSION_HEADER,
        ("ce_id", id.encode()),
        _type_header(type(message)),
        ("ce_source", source.encode()),
        ("ce_time", _time_text(time)),
        ("ce_subject", key),
        ("ce_partitionkey", key),
        ("ce_sequence", b"%d" % sequence),
        _CONTENT_TYPE_HEADER,
    ]
    if correlation_id:
        headers.append(("ce_correlationid", correlation_id.encode()))
    if causation_id:
        headers.append(("ce_causationid", causation_id.encode()))
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return message.TOPIC, key, headers, value


def read(headers: Headers, key: bytes | None, value: bytes | None, found: Found | None = None) -> Envelope:
    """The envelope of a Kafka record, in binary or structured mode. `found` is `dict(headers)`, where there is one.

    Of the record key and `partitionkey` one is enough, and `subject` stands in for both. Raises `EnvelopeError`.
    """
    if not value:
        raise EnvelopeError("missing_value", "the record has no value; send the message as JSON")
    if len(value) > MAX_MESSAGE_BYTES:
        raise too_large(f"a value of {len(value)} bytes", MAX_MESSAGE_BYTES)
    if found is None:
        found = dict(headers)
    return _read_usual(found, key, value) or _read_any(headers, found, key, value)


def _read_usual(found: Found, key: bytes | None, value: bytes) -> Envelope | None:
    """The envelope of a record such as `encode` writes, its attributes checked all at once; None for any other record,
    which `_read_any` reads or refuses."""
    header = found.get
    if not key or header("ce_partitionkey") != key or header("ce_subject") != key:
        return None
    try:
        type, source = _familiar_kind(
            header("content-type"), header("ce_specversion"), header("ce_type"), header("ce_source")
        )
        time, sequence = _familiar_time(header("ce_time")), _familiar_sequence(header("ce_sequence"))
        ids = (key, found["ce_id"], header("ce_correlationid", b""), header("ce_causationid", b""))
        text = b" ".join(ids).decode()
        # A space within one of them makes too many parts.
        record_key, id, correlation_id, causation_id = text.split(" ")
    except (KeyError, TypeError, ValueError):
        return None
    # The rules that hold for all of them together hold for each.
    if not id or len(text) > MAX_ATTRIBUTE_CHARS or not text.isprintable():
        return None
    traceparent = header("traceparent")
    return Envelope(
        id,
        type,
        source,
        time,
        record_key,
        record_key,
        correlation_id,
        causation_id,
        sequence,
        parse_traceparent(traceparent) if traceparent else "",
        value,
    )


def _read_any(headers: Headers, found: Found, key: bytes | None, value: bytes) -> Envelope:
    """The envelope of any record with a value, attribute by attribute."""
    if found.get("content-type") != b"application/json" or "ce_id" not in found:
        found = {name.lower(): raw for name, raw in headers} | found
        if _is_structured(found):
            return _keyed(read_event(value), key)
    if found.get("ce_specversion") != b"1.0":
        refuse_specversion(_required(found, "ce_specversion"))

    record_key = attribute("the record key", key) if key else ""
    # An attribute with the bytes of the key has its text too: mostly subject, partitionkey and correlationid.
    partition_key = record_key if found.get("ce_partitionkey") == key else _optional(found, "ce_partitionkey")
    subject = record_key if found.get("ce_subject") == key else _optional(found, "ce_subject")
    correlation_id = record_key if found.get("ce_correlationid") == key else _optional(found, "ce_correlationid")
    if partition_key != record_key and partition_key and record_key:
        raise key_mismatch()
    time = _optional(found, "ce_time")
    return Envelope(
        _required(found, "ce_id"),
        _required(found, "ce_type"),
        _required(found, "ce_source"),
        parse_time(time) if time else None,
        subject,
        record_key or partition_key or subject or refuse_keyless(),
        correlation_id,
        _optional(found, "ce_causationid"),
        parse_sequence(_optional(found, "ce_sequence")),
        parse_traceparent(found.get("traceparent")),
        value,
    )


def parse(data: bytes, message_type: type[M]) -> M:
    """The JSON of a message as its class, tolerant of fields it does not know. Raises `InvalidData`: invalid_data."""
    try:
        return message_type.__pydantic_validator__.validate_json(data, extra="ignore")  # type: ignore[no-any-return]
    except ValidationError as error:
        raise InvalidData("invalid_data", f"{message_type.CE_TYPE}: {_summary(error)}") from None


def decode(
    envelope: Envelope, message_type: type[Message], upcasts: Mapping[type[Message], Upcast] = UPCASTS
) -> Message:
    """The message of an envelope in its newest version. `message_type` is what the registry says of `envelope.type`.

    Raises `InvalidData`: invalid_data, or key_mismatch when the message is about another aggregate than its key says
    (it would pass by that aggregate's order and its parked messages).
    """
    message = parse(envelope.data, message_type)
    if envelope.key and message.key != envelope.key:
        raise InvalidData(
            "key_mismatch", f"{message_type.CE_TYPE}: {message.KEY} is not the key; key a message by what it is about"
        )
    return upcast(message, upcasts) if message_type in upcasts else message


_SPECVERSION_HEADER = ("ce_specversion", b"1.0")
_CONTENT_TYPE_HEADER = ("content-type", b"application/json")


def _required(found: Mapping[str, bytes | None], name: str) -> str:
    raw = found.get(name)
    return attribute(name, raw) if raw else refuse_missing(name, raw)


def _optional(found: Mapping[str, bytes | None], name: str) -> str:
    raw = found.get(name)
    return attribute(name, raw) if raw else ""


@lru_cache(maxsize=512)
def _familiar_kind(
    content_type: bytes | None, specversion: bytes | None, type: bytes | None, source: bytes | None
) -> tuple[str, str]:
    """Type and source, which have few values. ValueError where one of the four is not as `encode` writes it."""
    if content_type != _CONTENT_TYPE_HEADER[1] or specversion != _SPECVERSION_HEADER[1] or not type or not source:
        raise ValueError
    return attribute("ce_type", type), attribute("ce_source", source)


@lru_cache(maxsize=512)
def _familiar_time(raw: bytes | None) -> datetime | None:
    """The time of a message, which is that of its whole batch."""
    return parse_time(attribute("ce_time", raw)) if raw else None


@lru_cache(maxsize=512)
def _familiar_sequence(raw: bytes | None) -> int | None:
    """The version of an aggregate, mostly of a few steps."""
    return parse_sequence(attribute("ce_sequence", raw)) if raw else None


def _keyed(envelope: Envelope, key: bytes | None) -> Envelope:
    """A structured event that came with a record key."""
    record_key = attribute("the record key", key) if key else ""
    if envelope.key and record_key and envelope.key != record_key:
        raise key_mismatch()
    return msgspec.structs.replace(envelope, key=record_key or envelope.key or envelope.subject or refuse_keyless())


def _is_structured(found: Mapping[str, bytes | None]) -> bool:
    """Whether a record is in structured mode: by its content type, or without one by having no attribute in a header.

    Raises for a content type that is neither structured nor JSON.
    """
    raw = found.get("content-type")
    if not raw:
        return not any(name.startswith("ce_") for name in found)
    content_type = raw.decode("utf-8", "replace").lower()
    media_type = content_type.partition(";")[0].strip()
    if media_type == STRUCTURED and charset_is_utf8(content_type):
        return True
    if media_type.startswith("application/cloudevents") or not is_json(content_type):
        raise EnvelopeError("wrong_content_type", f"content-type must be {JSON} or {STRUCTURED}, in UTF-8")
    return False


@lru_cache(maxsize=64)
def _time_text(time: datetime) -> bytes:
    if time.utcoffset() is None:
        raise EnvelopeError("bad_time", "the time of a message needs an offset; times are aware and in UTC")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()


@cache
def _type_header(message_type: type[Message]) -> tuple[str, bytes]:
    return "ce_type", message_type.CE_TYPE.encode()


def _summary(error: ValidationError) -> str:
    """Where and what, in one line, without any input. Errors of our own validators may echo it: their code only."""
    said = []
    for detail in error.errors(include_url=False, include_input=False)[:5]:
        where = ".".join(map(str, detail["loc"])) or "value"
        own = detail.get("ctx", {}).get("error")
        said.append(f"{where}: {getattr(own, 'code', '') or detail['msg']}")
    more = error.error_count() - len(said)
    return "; ".join(said) + (f"; and {more} more" if more else "")


__all__ = [
    "BATCH", "JSON", "MAX_ATTRIBUTE_CHARS", "MAX_BATCH_BYTES", "MAX_MESSAGE_BYTES", "STRUCTURED", "Envelope",
    "EnvelopeError", "InvalidData", "decode", "encode", "parse", "read", "read_batch", "read_structured",
    "to_structured",
]  # fmt: skip
