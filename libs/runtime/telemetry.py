"""What is measured of every HTTP request, and how its trace gets to the command it carries. Plain ASGI."""

import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.metrics import Metrics
from runtime.tracing import ARRIVAL, Arrival, Spans, from_span, new_span_id, passed_on

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_TRACEPARENT = 128


class Telemetry:
    """Wraps a service's app."""

    def __init__(self, app: ASGIApp, metrics: Metrics, spans: Spans | None) -> None:
        self._app = app
        self._metrics = metrics
        self._spans = spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began, began_at = time.perf_counter(), time.time_ns()
        span_id, arrival = self._arrive(scope)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        token = ARRIVAL.set(arrival) if arrival else None
        try:
            await self._app(scope, receive, noting)
        finally:
            if token:
                ARRIVAL.reset(token)
            method, route = _named(scope)
            self._metrics.request(method, route, status, time.perf_counter() - began)
            if self._spans and arrival and method == "POST":
                attributes = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                self._spans.request(arrival, span_id, f"{method} {route}", began_at, attributes)

    def _arrive(self, scope: Scope) -> tuple[str, Arrival | None]:
        came = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        text = came.decode() if came.isascii() and len(came) <= MAX_TRACEPARENT else ""
        if self._spans:
            span_id = new_span_id()
            return span_id, Arrival(text, from_span(span_id, self._spans.share))
        return "", Arrival(text, passed_on) if text and text.isprintable() else None


def _named(scope: Mapping[str, Any]) -> tuple[str, str]:
    """Method and route as labels: of each there are few, whatever is asked for."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    return method, getattr(scope.get("route"), "path", "none")
