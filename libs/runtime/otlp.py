"""Spans, exported by OTLP over HTTP. Imported only where an endpoint is set.

Spans are built in their wire form at once: a batch has hundreds of links, and an object for each, to be turned into
another one later, would cost more than handling a message does. See `tracing.py` for what the spans mean.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import httpx
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from runtime.delivery import Delivery
from runtime.tracing import OWN, Arrival, Context, from_span, is_plain, new_span_id, parts, traced

log = structlog.get_logger()

EXPORT_EVERY = 1.0
AT_ONCE = 200
"""Spans in one request."""
MOST_WAITING = 2_000
"""Spans kept while the collector is away; beyond them the oldest go, and are counted."""
_LINK_TRACE, _LINK_SPAN = b"\x6a\x1c\x0a\x10", b"\x12\x08"
"""A link on the wire: field 13 of 28 bytes, in it field 1 of 16 bytes (trace id) and field 2 of 8 (span id)."""


class Dropped(Protocol):
    """Counts spans that never reached the collector."""

    def inc(self, amount: float = 1) -> None: ...


class BatchSpan:
    """One transaction of the pump, from its making to `end`."""

    def __init__(self, exporter: "Exporter") -> None:
        self._exporter = exporter
        self._id = new_span_id()
        self._began = time.time_ns()
        self.context: Context = from_span(self._id, exporter.share)

    def end(self, deliveries: Sequence[Delivery], answers: Mapping[int, object]) -> None:
        """After COMMIT. What the messages came to is counted by the metrics, not here once more."""
        self._emit(deliveries, None)

    @contextmanager
    def around(self, deliveries: Sequence[Delivery]) -> Iterator[None]:
        """Ends the span as failed where the transaction is rolled back, to be tried again."""
        try:
            yield
        except BaseException as error:
            # The error's type only: its text may hold what was being written.
            self._emit(deliveries, type(error).__name__)
            raise

    def _emit(self, deliveries: Sequence[Delivery], error: str | None) -> None:
        span = Span(
            trace_id=bytes.fromhex(new_span_id() + self._id),
            span_id=bytes.fromhex(self._id),
            name="batch",
            kind=Span.SPAN_KIND_CONSUMER,
            start_time_unix_nano=self._began,
            end_time_unix_nano=time.time_ns(),
            attributes=_attributes(
                {"messaging.batch.message_count": len(deliveries)} | ({"error.type": error} if error else {})
            ),
            status=Status(code=Status.STATUS_CODE_ERROR) if error else None,
        )
        span.MergeFromString(_links(deliveries, self._exporter.share))
        self._exporter.add(span)


def _links(deliveries: Iterable[Delivery], share: float) -> bytes:
    """Where each message came from, and the traces of its order (or case) and of what it is about where these are
    others, each once, as far as they are traced. On the wire."""
    links: dict[str, bytes] = {}
    for delivery in deliveries:
        came, item = delivery.trace, delivery.item
        if came:
            if is_plain(came):
                ids = bytes.fromhex(came[3:35] + came[36:52])
                links[came] = _LINK_TRACE + ids[:16] + _LINK_SPAN + ids[16:]
                if came.startswith(OWN, 3) and (item is None or item.ref.id == item.correlation_id):
                    continue
            elif known := parts(came):
                links[came] = _LINK_TRACE + bytes.fromhex(known[0]) + _LINK_SPAN + bytes.fromhex(known[1])
        if item is not None:
            order, subject = item.correlation_id, item.ref.id
            for id in (order,) if order == subject else (order, subject):
                own = traced(id, share)
                # No span of that trace caused it: the link bears the end of the trace id for a span id.
                if own and own not in links and not came.startswith(own, 3):
                    links[own] = _LINK_TRACE + bytes.fromhex(own) + _LINK_SPAN + bytes.fromhex(own[16:])
    return b"".join(links.values())


class Exporter:
    """Sends spans to the collector once a second, beside the work and never in its way."""

    def __init__(self, endpoint: str, share: float, service: str, instance: str, dropped: Dropped) -> None:
        self.share = share
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._resource = Resource(attributes=_attributes({"service.name": service, "service.instance.id": instance}))
        self._scope = InstrumentationScope(name="holdfast")
        self._waiting: deque[Span] = deque()
        self._dropped = dropped
        self._away = False

    def add(self, span: Span) -> None:
        """Queues a span."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped.inc()
        self._waiting.append(span)

    def batch(self) -> BatchSpan:
        """Begins the span of a transaction."""
        return BatchSpan(self)

    def request(self, arrival: Arrival, span_id: str, name: str, began: int, attributes: Mapping[str, Any]) -> None:
        """The span of an HTTP request that has been answered; `began` in nanoseconds since 1970. It belongs to the
        caller's trace, or to that of what it asked for; where that is not traced there is none, unless it failed."""
        came, given = parts(arrival.came), parts(arrival.given)
        failed = attributes["http.response.status_code"] >= 500
        if self.share < 1 and not (came or given or failed):
            return
        trace = came[0] if came else given[0] if given else new_span_id() + span_id
        self.add(
            Span(
                trace_id=bytes.fromhex(trace),
                span_id=bytes.fromhex(span_id),
                parent_span_id=bytes.fromhex(came[1]) if came else b"",
                name=name,
                kind=Span.SPAN_KIND_SERVER,
                start_time_unix_nano=began,
                end_time_unix_nano=time.time_ns(),
                attributes=_attributes(attributes),
                status=Status(code=Status.STATUS_CODE_ERROR) if failed else None,
            )
        )

    async def run(self) -> None:
        """Exports until cancelled."""
        async with httpx.AsyncClient(timeout=10) as client:
            while True:
                await asyncio.sleep(EXPORT_EVERY)
                await self._export(client)

    async def flush(self) -> None:
        """What waits, sent once more, within two seconds: for the end of the process."""
        async with httpx.AsyncClient(timeout=2) as client:
            await self._export(client)

    async def _export(self, client: httpx.AsyncClient) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                answer = await client.post(
                    self._url, content=self._request(some), headers={"content-type": "application/x-protobuf"}
                )
                answer.raise_for_status()
            except (httpx.HTTPError, OSError) as error:
                room = MOST_WAITING - len(self._waiting)
                self._waiting.extendleft(reversed(some[-room:] if room else []))
                self._dropped.inc(max(0, len(some) - room))
                if not self._away:
                    log.warning("spans_not_exported", error=type(error).__name__, waiting=len(self._waiting))
                self._away = True
                return
            self._away = False

    def _request(self, spans: list[Span]) -> bytes:
        within = [ScopeSpans(scope=self._scope, spans=spans)]
        content: bytes = ExportTraceServiceRequest(
            resource_spans=[ResourceSpans(resource=self._resource, scope_spans=within)]
        ).SerializeToString()
        return content


def _attributes(values: Mapping[str, Any]) -> list[KeyValue]:
    return [
        KeyValue(key=name, value=AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value))
        for name, value in values.items()
    ]
