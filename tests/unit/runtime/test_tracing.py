"""Contexts of traces: one order, one trace id, wherever and whenever it is asked for; what others began goes on."""

import subprocess
import sys

import pytest

from runtime.tracing import ARRIVAL, Arrival, arrived, from_span, parts, passed_on, trace_of, traced

THEIRS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
OURS = "1122334455667788"


def test_the_trace_id_of_an_order_is_the_same_in_every_release() -> None:
    assert trace_of("o-1") == "686f6c6463c141a5dc68b0fa1c74a580" != trace_of("o-2")


def test_a_message_without_context_belongs_to_the_trace_of_its_order() -> None:
    assert from_span(OURS, 1)("", "o-1") == f"00-{trace_of('o-1')}-{OURS}-01"


def test_a_trace_that_others_began_goes_on_with_their_decision_to_sample() -> None:
    assert from_span(OURS, 1)(THEIRS, "o-1") == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{OURS}-00"


@pytest.mark.parametrize(
    "malformed",
    [
        "x" * 55,
        THEIRS.upper(),
        THEIRS[:-1],
        f"ff{THEIRS[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_is_no_context_begins_the_trace_of_the_order(malformed: str) -> None:
    assert parts(malformed) is None
    assert from_span(OURS, 1)(malformed, "o-1") == f"00-{trace_of('o-1')}-{OURS}-01"


def test_all_services_trace_the_same_orders_and_about_as_many_as_they_were_told() -> None:
    ids = [f"o-{number}" for number in range(10_000)]

    chosen = {id for id in ids if traced(id, 0.1)}

    assert 900 < len(chosen) < 1_100
    assert all(traced(id, 0.1) == trace_of(id) for id in chosen)
    # and who is told to trace more traces these among others
    assert chosen < {id for id in ids if traced(id, 0.2)}
    assert all(traced(id, 1) for id in ids)


def test_an_order_that_is_not_traced_has_no_context_unless_others_trace_it() -> None:
    context = from_span(OURS, 1e-9)

    assert context("", "o-1") == context("nonsense", "o-1") == ""
    assert context(THEIRS, "o-1") == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{OURS}-00"


def test_a_later_version_of_the_header_is_understood() -> None:
    assert parts(f"cc{THEIRS[2:]}-what-the-future-brings") == tuple(THEIRS.split("-")[1:])


def test_where_traces_are_off_what_came_is_passed_on_and_nothing_added() -> None:
    assert (passed_on(THEIRS, "o-1"), passed_on("", "o-1")) == (THEIRS, "")


def test_a_command_by_http_bears_the_context_of_its_request() -> None:
    assert arrived("o-1") == ""
    token = ARRIVAL.set(Arrival(THEIRS, from_span(OURS, 1)))
    try:
        assert arrived("o-1") == f"00-4bf92f3577b34da6a3ce929d0e0e4736-{OURS}-00"
    finally:
        ARRIVAL.reset(token)


def test_nothing_that_makes_or_exports_spans_is_imported_while_traces_are_off() -> None:
    """The web framework brings the interface of OpenTelemetry along, which does nothing by itself."""
    found = "sorted(name for name in sys.modules if name.startswith(('runtime.otlp', 'opentelemetry.proto')))"
    imports = f"import sys, runtime.app; print({found})"
    told = subprocess.run([sys.executable, "-c", imports], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
