"""Every HTTP request is measured under few labels, whatever is asked for, and hands its trace to what it causes."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from runtime.metrics import Metrics
from runtime.telemetry import Telemetry
from runtime.tracing import Arrival, Spans, arrived, trace_of

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Noted:
    """Spans of requests, as they were told."""

    def __init__(self) -> None:
        self.share = 1.0
        self.requests: list[tuple[str, str, Mapping[str, Any]]] = []

    def batch(self) -> Any:
        raise AssertionError("no batch here")

    def request(self, arrival: Arrival, span_id: str, name: str, began: int, attributes: Mapping[str, Any]) -> None:
        self.requests.append((arrival.given, name, attributes))


def served(spans: Spans | None) -> tuple[Metrics, httpx.AsyncClient]:
    """An app whose commands answer with the traceparent that they would bear."""
    app = FastAPI()

    @app.post("/orders/{order_id}")
    async def command(order_id: str) -> str:
        return arrived(order_id)

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    metrics = Metrics("toy")
    app.add_middleware(Telemetry, metrics=metrics, spans=spans)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return metrics, httpx.AsyncClient(transport=transport, base_url="http://toy")


def counted(metrics: Metrics, method: str, route: str, status: str) -> float | None:
    labels = {"service": "toy", "method": method, "route": route, "status": status}
    return metrics.registry.get_sample_value("holdfast_http_request_seconds_count", labels)


async def test_requests_are_counted_by_pattern_whatever_is_asked_for() -> None:
    metrics, http = served(None)
    async with http:
        for number in range(3):
            await http.post(f"/orders/o-{number}")
            await http.request("BREW", f"/coffee/{number}")
        await http.get("/broken")
    assert counted(metrics, "POST", "/orders/{order_id}", "200") == 3
    assert counted(metrics, "other", "none", "404") == 3
    assert counted(metrics, "GET", "/broken", "500") == 1


async def test_where_traces_are_off_a_context_is_handed_on_as_it_came() -> None:
    _, http = served(None)
    async with http:
        assert (await http.post("/orders/o-1", headers={"traceparent": THEIRS})).json() == THEIRS
        assert (await http.post("/orders/o-1")).json() == ""


@pytest.mark.parametrize("header", [None, "nonsense", b"\xff\xfe", "0" * 5000])
async def test_a_command_without_a_context_belongs_to_the_trace_of_its_order(header: Any) -> None:
    spans = Noted()
    _, http = served(spans)
    async with http:
        given = (await http.post("/orders/o-1", headers={"traceparent": header} if header else {})).json()
    assert given.split("-")[1] == trace_of("o-1")
    ((told, name, attributes),) = spans.requests
    assert (told, name, attributes["http.response.status_code"]) == (given, "POST /orders/{order_id}", 200)


async def test_only_commands_have_a_span() -> None:
    spans = Noted()
    _, http = served(spans)
    async with http:
        await http.get("/broken", headers={"traceparent": THEIRS})
    assert spans.requests == []
