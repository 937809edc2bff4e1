"""The attributes of a message: what an `Envelope` holds, and the rules CloudEvents 1.0 and we have for them."""

import re
from datetime import UTC, datetime
from typing import NoReturn

import msgspec

MAX_MESSAGE_BYTES = 256 * 1024
"""The largest value of a record, and the largest body of one structured event, in bytes."""

MAX_BATCH_BYTES = 4 * 1024 * 1024
"""The largest body of a structured batch, in bytes."""

MAX_ATTRIBUTE_CHARS = 256
"""The longest attribute: ids come back in refusals and in database keys."""

JSON = "application/json"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


class EnvelopeError(ValueError):
    """A record that cannot be read as, or written as, a CloudEvent. `code` is stable, the text says what to do.

    Codes: missing_header, empty_header, not_utf8, bad_attribute, wrong_specversion, wrong_content_type, bad_time,
    missing_key, key_mismatch, missing_value, malformed_structured, too_large.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One message as it travels: its attributes, and `data`, the JSON of the message (not parsed yet).

    `time` is in UTC; `sequence` is the version of the aggregate after the event. Optional attributes that were
    missing, null or empty are "" (None for `time` and `sequence`).
    """

    id: str
    type: str
    source: str
    time: datetime | None
    subject: str
    key: str
    correlation_id: str
    causation_id: str
    sequence: int | None
    traceparent: str
    data: bytes


# What CloudEvents forbids in a string: control characters, surrogates, non-characters.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def attribute(name: str, raw: bytes) -> str:
    """The text of an attribute. Raises `EnvelopeError`: not_utf8, too_large, bad_attribute."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise EnvelopeError("not_utf8", f"{name} is not UTF-8") from None
    return text if len(text) <= MAX_ATTRIBUTE_CHARS and text.isprintable() else checked(name, text)


def checked(name: str, text: str) -> str:
    """The text, if it may be an attribute. Raises `EnvelopeError`: too_large, bad_attribute."""
    if len(text) > MAX_ATTRIBUTE_CHARS:
        raise too_large(f"{name} with {len(text)} characters", MAX_ATTRIBUTE_CHARS)
    if _FORBIDDEN.search(text):
        raise EnvelopeError("bad_attribute", f"{name} holds control characters or non-characters; remove them")
    return text


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, in UTC. Raises `EnvelopeError`: bad_time."""
    try:
        time = datetime.fromisoformat(text.upper())
        if time.tzinfo is not None:
            return time if time.tzinfo is UTC else time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise EnvelopeError("bad_time", "time is not an RFC 3339 time with offset; write it like 2026-01-31T12:00:00Z")


def parse_sequence(text: str) -> int | None:
    """The version of an aggregate; None for a sequence of another making (CloudEvents leaves its form open)."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 19 else None


def parse_traceparent(raw: bytes | None) -> str:
    """A trace context; "" for one that is not well formed: it begins a new trace and never spoils a message."""
    if raw and 55 <= len(raw) <= 128 and raw.isascii():
        text = raw.decode()
        if text.isprintable():
            return text
    return ""


def is_json(content_type: str) -> bool:
    """Whether a content type in lower case says JSON in UTF-8."""
    media_type = content_type.partition(";")[0].strip()
    return (media_type == JSON or media_type.endswith("+json")) and charset_is_utf8(content_type)


def charset_is_utf8(content_type: str) -> bool:
    """Whether a content type in lower case leaves the character set open or says UTF-8 (or ASCII, a part of it)."""
    parameters = (part.partition("=") for part in content_type.split(";")[1:])
    return all(value.strip('" ') in ("utf-8", "us-ascii") for name, _, value in parameters if name.strip() == "charset")


def refuse_missing(name: str, given: object) -> NoReturn:
    """Raises for a required attribute that is not there (None) or empty."""
    if given is None:
        raise EnvelopeError("missing_header", f"{name} is missing; every message needs it")
    raise EnvelopeError("empty_header", f"{name} is empty; every message needs it")


def refuse_specversion(version: str) -> NoReturn:
    """Raises for another version of CloudEvents."""
    raise EnvelopeError("wrong_specversion", f"CloudEvents {version[:16]!r} is not understood; send 1.0")


def refuse_keyless() -> NoReturn:
    """Raises for a record that does not say what it is about."""
    raise EnvelopeError("missing_key", "there is no record key, partitionkey or subject; set the aggregate's id")


def key_mismatch() -> EnvelopeError:
    """The record key and `partitionkey` say different things."""
    return EnvelopeError("key_mismatch", "the record key and partitionkey differ; both are the aggregate's id")


def too_large(what: str, limit: int) -> EnvelopeError:
    """Something is over its limit."""
    return EnvelopeError("too_large", f"{what} is over the limit of {limit}; send less")
