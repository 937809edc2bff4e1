"""Traces that follow an order through all services, at the price of one span a batch.

A batch handles messages of some hundred orders, so it is a span of no one order's trace: it has a trace of its own and
*links* to the messages that it handled. No message has a span. What makes one order findable all the same is that the
trace id of an order (or a case) is no accident but a hash of its correlation id, `trace_of("o-1")`, which every service
computes alike. Asked for the links of that trace id, a backend answers with every batch that touched the order.

    message comes with traceparent  →  its trace continues; the batch links to it, and to the order's own trace
    message comes without           →  it belongs to the order's own trace
    what the batch publishes        →  the trace of the message that caused it; span id: that of the batch

A link of a batch therefore names in its trace id the order, and in its span id the batch (or the request) that the
message came from: the path of an order is the chain of spans whose links name one another. The context is a header of
the outbox row, so it survives whatever happens before the relay publishes it.

Here are only contexts, which are text; nothing of OpenTelemetry is imported. Where traces are off, a traceparent that
comes in is passed on as it is and none is added. Spans are made and exported by `otlp.py`.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from secrets import token_hex
from typing import Any, Protocol
from zlib import crc32

Context = Callable[[str, str], str]
"""`context(traceparent of the message or "", correlation id)`: the traceparent of what it causes, "" for none."""

_FORM = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
is_plain = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}").fullmatch
"""Whether a text is a trace context of today's version: trace id at 3 to 35, span id at 36 to 52."""
_SAMPLED = "01"
OWN = "686f6c64"
"""How the trace ids that we make begin, so that one need not be made again to tell it from another's."""


@lru_cache(maxsize=16_384)
def trace_of(correlation_id: str) -> str:
    """The trace id of an order or a case, in hex. Never change how it is made: replicas of two releases, and whoever
    looks an order up a year later, must come to the same."""
    return OWN + blake2b(correlation_id.encode(), digest_size=12, person=b"holdfast-trace").hexdigest()


def traced(correlation_id: str, share: float) -> str:
    """The trace id of an order that is among those to be traced, "" of any other. Its id alone says which, so that all
    services choose the same ones: an order has a whole trace or none. Most are told by a quick checksum, once for every
    message."""
    return trace_of(correlation_id) if crc32(correlation_id.encode()) < share * 2**32 else ""


def new_span_id() -> str:
    """A span id, in hex."""
    return token_hex(8)


def parts(traceparent: str) -> tuple[str, str, str] | None:
    """Trace id, span id and flags, in hex; None for what is no W3C trace context."""
    found = _FORM.fullmatch(traceparent)
    return (found[1], found[2], found[3]) if found else None


def passed_on(came: str, correlation_id: str) -> str:
    """The `Context` where traces are off."""
    return came


def from_span(span_id: str, share: float) -> Context:
    """The `Context` of what is done within this span. `share` of the orders that nobody traces yet are traced; a trace
    that others began goes on in any case."""

    def context(came: str, correlation_id: str) -> str:
        if came:
            if is_plain(came):
                return f"{came[:36]}{span_id}{came[52:]}"
            if known := parts(came):
                return f"00-{known[0]}-{span_id}-{known[2]}"
        own = traced(correlation_id, share)
        return f"00-{own}-{span_id}-{_SAMPLED}" if own else ""

    return context


@dataclass(slots=True)
class Arrival:
    """An HTTP request, as far as its trace is concerned. `given` is the traceparent of what it caused last."""

    came: str
    context: Context
    given: str = ""


class BatchSpan(Protocol):
    """The span of one transaction."""

    context: Context

    def around(self, deliveries: Any) -> AbstractContextManager[None]:
        """Ends the span as failed where what is done within it raises."""

    def end(self, deliveries: Any, answers: Mapping[int, object]) -> None:
        """Ends the span after COMMIT."""


class Spans(Protocol):
    """Where spans go. `share`: of the orders, those that are traced."""

    share: float

    def batch(self) -> BatchSpan:
        """Begins the span of a transaction."""

    def request(self, arrival: Arrival, span_id: str, name: str, began: int, attributes: Mapping[str, Any]) -> None:
        """The span of an HTTP request that was answered; `began` in nanoseconds since 1970."""


ARRIVAL: ContextVar[Arrival | None] = ContextVar("arrival", default=None)


def arrived(correlation_id: str) -> str:
    """The traceparent of a command that came by the HTTP request that is being served; "" where it has none."""
    arrival = ARRIVAL.get()
    if arrival is None:
        return ""
    arrival.given = arrival.context(arrival.came, correlation_id)
    return arrival.given
