"""What a running service tells of itself: metrics, readiness by progress, traces through two services, and logs without
anything that must not stand in them."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

import runtime
from holdfast.embedded.ports import free_port
from runtime.app import Running, build
from runtime.http import Api, command
from runtime.relay import LEADER_LOCK
from runtime.tracing import trace_of, traced
from runtime.watches import Declared, Reading, Watch
from tests.access import as_actor
from tests.access import environment as environment_of_tokens
from tests.chaos.process import Process, all_ready
from tests.databases import fresh_databases
from tests.servers import Kafka, Postgres
from tests.toy import toy
from tests.toy.parts import add, client, fresh_topics, numbers, settings_for
from tests.waiting import eventually

SERVICE = as_actor("service:tests")
THEIRS = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """An OTLP receiver over real HTTP; `spans` by the service that sent them, as they came."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    names = {each.key: each.value.string_value for each in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(names["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def touching(self, trace: str) -> list[tuple[str, Span]]:
        """The spans of a trace, and those that link to it."""
        id = bytes.fromhex(trace)
        return [
            (service, span)
            for service, span in list(self.spans)
            if span.trace_id == id or any(link.trace_id == id for link in span.links)
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


@pytest.fixture
async def databases(postgres: Postgres) -> AsyncIterator[dict[str, str]]:
    async with fresh_databases(postgres, "toy", "mirror") as found:
        yield found


Start = Callable[..., Process]


@pytest.fixture
async def start(databases: dict[str, str], kafka: Kafka, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts `toy` or `mirror` as a process."""
    await fresh_topics(kafka.bootstrap)
    started: list[Process] = []

    def process(service: str, **environment: str) -> Process:
        port = free_port()
        given = {
            "HOLDFAST_DATABASE_URL": databases[service],
            "HOLDFAST_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "HOLDFAST_ENVIRONMENT": "test",
            "HOLDFAST_PORT": str(port),
            "HOLDFAST_TRACE_SHARE": "1",
            **environment_of_tokens(),
        }
        started.append(Process(service, [service], given | environment, port, tmp_path / f"{service}.log"))
        return started[-1]

    yield process
    for one in started:
        await one.reap()


def linked(span: Span, trace: str) -> list[str]:
    """Span ids of the links to a trace."""
    return [link.span_id.hex() for link in span.links if link.trace_id.hex() == trace]


async def test_one_order_is_followed_through_two_services_by_the_trace_that_its_id_makes(
    start: Start, collector: Collector, kafka: Kafka
) -> None:
    both = [start(name, HOLDFAST_OTLP_ENDPOINT=collector.endpoint) for name in ("toy", "mirror")]
    await all_ready(*both)
    # when a command comes by HTTP, among others by Kafka
    async with client(kafka.bootstrap) as other, httpx.AsyncClient(base_url=both[0].url, headers=SERVICE) as http:
        await other.send(*(add(f"else-{number}", number) for number in range(50)))
        assert (await http.post("/tallies/followed", json={"number": 5})).status_code == 200

    # then a request, toy's batch and mirror's batch are found under the trace id of the tally
    trace = trace_of("followed")

    def whole() -> bool:
        return sorted(service for service, _ in collector.touching(trace)) == ["mirror", "toy", "toy"]

    await eventually(whole)
    found = {(service, span.name): span for service, span in collector.touching(trace)}
    request = found["toy", "POST /tallies/{tally}"]
    decided, heard = found["toy", "batch"], found["mirror", "batch"]
    assert request.trace_id.hex() == trace and request.kind == Span.SPAN_KIND_SERVER
    # and the span ids of the links lead from one to the next
    assert linked(decided, trace) == [request.span_id.hex()]
    assert linked(heard, trace) == [decided.span_id.hex()]
    assert decided.trace_id != heard.trace_id != request.trace_id
    # and there is no span a message
    await eventually(lambda: len([1 for _, span in collector.spans for _ in span.links]) >= 101)
    assert len(collector.spans) < 40


async def test_a_trace_that_another_system_began_goes_on_in_what_follows(
    start: Start, collector: Collector, kafka: Kafka
) -> None:
    await all_ready(start("toy", HOLDFAST_OTLP_ENDPOINT=collector.endpoint), start("mirror"))
    async with client(kafka.bootstrap) as other:
        await send_within(other, f"00-{THEIRS}-00f067aa0ba902b7-01")
        await eventually(lambda: collector.touching(THEIRS))
        ((_, span),) = collector.touching(THEIRS)
        assert linked(span, THEIRS) == ["00f067aa0ba902b7"]
        # the order's own trace knows of it too
        assert collector.touching(trace_of("far"))
        assert await contexts(other) == [f"00-{THEIRS}-{span.span_id.hex()}-01"]


async def test_an_order_that_is_not_chosen_costs_no_header_and_no_span(
    start: Start, collector: Collector, kafka: Kafka
) -> None:
    await all_ready(start("toy", HOLDFAST_OTLP_ENDPOINT=collector.endpoint, HOLDFAST_TRACE_SHARE="0.1"))
    ids = [f"o-{number}" for number in range(100)]
    chosen = {trace_of(id) for id in ids if traced(id, 0.1)}
    async with client(kafka.bootstrap) as other:
        await other.send(*(add(id, 1) for id in ids))

        async def all_published() -> bool:
            return len(await contexts(other)) == len(ids)

        await eventually(all_published)
        assert {one[3:35] for one in await contexts(other) if one} == chosen
    await eventually(lambda: {trace for trace in chosen if collector.touching(trace)} == chosen)
    linked_to = {link.trace_id.hex() for _, span in collector.spans for link in span.links}
    assert linked_to == chosen


async def test_without_a_collector_a_context_is_passed_on_and_no_header_added(start: Start, kafka: Kafka) -> None:
    await all_ready(start("toy"))
    async with client(kafka.bootstrap) as other:
        await send_within(other, f"00-{THEIRS}-00f067aa0ba902b7-01")
        await other.send(add("near", 1))
        await eventually(lambda: both_published(other))
        assert sorted(await contexts(other)) == ["", f"00-{THEIRS}-00f067aa0ba902b7-01"]


async def both_published(other: Any) -> bool:
    return len(await contexts(other)) == 2


async def send_within(other: Any, traceparent: str) -> None:
    """A command of tally `far` by a system that traces."""
    value = add("far", 1).model_dump_json(exclude_none=True).encode()
    headers = [
        *(("ce_specversion", b"1.0"), ("ce_id", uuid4().hex.encode()), ("ce_source", b"far-away")),
        *(("ce_type", b"toy.add.v1"), ("content-type", b"application/json"), ("traceparent", traceparent.encode())),
    ]
    await other.send_raw("toy.commands.v1", b"far", value, headers)


async def contexts(other: Any) -> list[str]:
    """The trace contexts of toy's events."""
    return [event.traceparent for event in await other.everything("toy.events.v1")]


async def test_a_collector_that_is_away_costs_spans_and_nothing_else(
    start: Start, kafka: Kafka, databases: dict[str, str]
) -> None:
    one = start("toy", HOLDFAST_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    await all_ready(one)
    async with client(kafka.bootstrap) as other:
        await other.send(add("a", 1))
        await eventually(lambda: is_(numbers(databases["toy"], "a"), [1]))
    await eventually(lambda: one.logged("spans_not_exported"))
    assert await one.terminate() == 0


async def is_(found: Any, expected: Sequence[int]) -> bool:
    return list(await found) == expected


# Metrics and readiness of services in this process


@asynccontextmanager
async def serving(running: Running, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """A service's whole app in this process, started and stopped."""
    app = build(running, api)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service", headers=SERVICE) as http:
            await eventually(lambda: ready(http), within=30)
            yield http


async def ready(http: httpx.AsyncClient) -> bool:
    return (await http.get("/readyz")).status_code == 200


async def wrong(http: httpx.AsyncClient, part: str) -> bool:
    """Whether /readyz says that this part stands still."""
    answer = await http.get("/readyz")
    return answer.status_code == 503 and any(said.startswith(f"{part}: ") for said in answer.json()["wrong"])


async def sample(http: httpx.AsyncClient, name: str, **labels: str) -> float | None:
    """One value of /metrics."""
    for family in text_string_to_metric_families((await http.get("/metrics")).text):
        for one in family.samples:
            if one.name == name and labels.items() <= one.labels.items():
                return one.value
    return None


TOY_API = Api(commands=(command("/tallies/{tally}", toy.Add),))


@pytest.fixture
async def stalling(kafka: Kafka, database: str) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """The toy service, which may stand still for half a second."""
    await fresh_topics(kafka.bootstrap)
    settings = settings_for(database, kafka.bootstrap, stall_after=0.5)
    running = Running(toy.TOY, settings, (runtime.MIGRATIONS, toy.MIGRATIONS))
    async with serving(running, TOY_API) as http, client(kafka.bootstrap) as other:
        # New topics take a while to be read from; what is tested begins when they are.
        await other.send(add("first", 1))
        await eventually(lambda: is_(numbers(database, "first"), [1]), within=60)
        yield running, http


@asynccontextmanager
async def holding(database: str, statement: str) -> AsyncIterator[None]:
    """Somebody's transaction that holds locks."""
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("part", "statement"),
    [
        ("pump", "LOCK TABLE tallies IN ACCESS EXCLUSIVE MODE"),
        ("relay", "LOCK TABLE dead_letters IN ACCESS EXCLUSIVE MODE"),
        ("timers", "LOCK TABLE timers IN ACCESS EXCLUSIVE MODE"),
    ],
)
async def test_readiness_says_what_stands_still_and_takes_it_back(
    stalling: tuple[Running, httpx.AsyncClient], database: str, kafka: Kafka, part: str, statement: str
) -> None:
    _, http = stalling
    async with client(kafka.bootstrap) as other:
        # when somebody holds what this part needs, while there is work and every connection stands
        async with holding(database, statement):
            await other.send(add("a", 1))
            await eventually(lambda: wrong(http, part), within=30)
        # then it is not ready, and once they let go it is
        await eventually(lambda: ready(http), within=30)
        await eventually(lambda: is_(numbers(database, "a"), [1]))


async def test_a_consumer_that_no_longer_fetches_is_seen(
    stalling: tuple[Running, httpx.AsyncClient], kafka: Kafka, database: str
) -> None:
    running, http = stalling
    assert running.intake
    consumer: Any = running.intake._subscriber.consumer
    async with client(kafka.bootstrap) as other:
        await other.send(add("a", 1))
        await eventually(lambda: is_(numbers(database, "a"), [1]))
        consumer.pause(*consumer.assignment())  # as if it had hung: it is in the group and asks for nothing
        await other.send(add("a", 2))
        await eventually(lambda: wrong(http, "consumer"), within=30)
        assert (await sample(http, "holdfast_consumer_lag_messages") or 0) >= 1
        assert (await sample(http, "holdfast_consumer_lag_seconds") or 0) > 0.5
        assert await sample(http, "holdfast_stalled", part="consumer") == 1
        consumer.resume(*consumer.assignment())
        await eventually(lambda: ready(http))
    await eventually(lambda: is_(numbers(database, "a"), [1, 2]))


async def test_an_outbox_that_nobody_empties_is_told_with_its_age(kafka: Kafka, database: str) -> None:
    await fresh_topics(kafka.bootstrap)
    running = Running(toy.TOY, settings_for(database, kafka.bootstrap), (runtime.MIGRATIONS, toy.MIGRATIONS))
    # given another replica that leads the relay and does nothing
    async with holding(database, f"SELECT pg_advisory_xact_lock({LEADER_LOCK})"), serving(running, TOY_API) as http:
        assert (await http.post("/tallies/a", json={"number": 1})).status_code == 200
        await eventually(lambda: is_value(http, "holdfast_outbox_rows", 1))
        assert (await sample(http, "holdfast_outbox_oldest_age_seconds") or 0) > 0
        assert await sample(http, "holdfast_relay_leading") == 0
        assert await ready(http), "whoever does not lead is not at fault"


async def is_value(http: httpx.AsyncClient, name: str, value: float, **labels: str) -> bool:
    return await sample(http, name, **labels) == value


async def test_a_watch_is_taken_by_one_and_told_by_all(kafka: Kafka, database: str) -> None:
    await fresh_topics(kafka.bootstrap)
    taken: list[int] = []

    async def take(connection: Any) -> list[Reading]:
        taken.append(await connection.fetchval("SELECT 7"))
        return [Reading("answer_sevens", taken[-1], ("a",))]

    watch = Watch("answer", 3600, [Declared("answer_sevens", "Seven", ("of",))], take)
    settings = settings_for(database, kafka.bootstrap)
    migrations = (runtime.MIGRATIONS, toy.MIGRATIONS)
    first, second = (Running(toy.TOY, settings, migrations, watched=(watch,)) for _ in range(2))
    async with serving(first, TOY_API) as one, serving(second, TOY_API) as other:
        for http in (one, other):
            await eventually(partial(is_value, http, "holdfast_answer_sevens", 7, of="a"))
            age = await sample(http, "holdfast_watch_age_seconds", watch="answer")
            assert age is not None and age < 60
    assert taken == [7]
