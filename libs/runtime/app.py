"""One service as a process: HTTP at once, the rest as soon as the database and the broker are there.

Start: connect → migrate → pump, relay, timers → join the consumer group. Stop (SIGTERM): no new work, finish what is in
hand, leave the group, let the relay send what is left, close. Nothing here needs a clean stop: a kill at any moment
loses nothing.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from uuid import UUID

import asyncpg
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from contracts.message import Command
from runtime import admin, collector, timers, watches, webhooks
from runtime.access import Access
from runtime.batch import Answer
from runtime.clock import clock_from
from runtime.db import Pool, as_it_is
from runtime.deadletters import DeadLetters
from runtime.decision import Refused, Service
from runtime.delivery import Delivery, Reader, timer
from runtime.http import Api, add_routes
from runtime.http_protocol import HttpProtocol
from runtime.idempotency import tidying
from runtime.intake import Intake
from runtime.logs import configure
from runtime.metrics import Metrics
from runtime.migrate import migrate, migrate_now
from runtime.openapi import describe
from runtime.problems import on_away, on_bad_value, on_fault, on_http_error, on_invalid_parameters, on_refused
from runtime.progress import Moving, Seen, stalled
from runtime.pump import TRANSIENT, Pump, Unavailable
from runtime.relay import KafkaSender, Relay, Sender
from runtime.repository import Repository
from runtime.settings import Settings, from_environment
from runtime.telemetry import Telemetry
from runtime.watches import TIDY_CENSUS, Watch

if TYPE_CHECKING:
    from runtime.otlp import Exporter

log = structlog.get_logger()
T = TypeVar("T")

VIRTUAL_TIMER_POLL, STANDING_TIMER_POLL, STANDING = 0.01, 0.1, 2.0
"""Seconds between looks at a virtual clock: while it moves, and when it has stood for so long."""
STOP_WITHIN = 25.0
"""Seconds for an orderly stop; keep the supervisor's grace period above."""


class Running:
    """A service's parts while its process lives. `starting` says what is still missing, "" when all is up."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        migrations: Sequence[Path],
        sender: Callable[[Settings, KafkaSender], Sender] = lambda _, kafka: kafka,
        watched: Sequence[Watch] = (),
    ) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock_from(settings.clock)
        self._watches = (*watched, TIDY_CENSUS, tidying(settings.answers_kept_days))
        self.metrics = Metrics(service.name, self._watches)
        self.exporter = _exporter(settings, service.name, self.metrics)
        self.access = Access.by(settings)
        self.reader = Reader(service)
        self.repository = Repository(service)
        self.kafka_sender = KafkaSender(settings.kafka_access, service.name)
        self._sender = sender(settings, self.kafka_sender)
        self._migrations = migrations
        self._tasks: list[asyncio.Task[None]] = []
        self._commands = 0
        self.starting = "not started"
        self.start_fault = ""
        """Why the last attempt to get what is missing failed."""
        self.stopping = False
        self.pool: Pool | None = None
        self.pump: Pump | None = None
        self.relay: Relay | None = None
        self.intake: Intake | None = None
        self.dead_letters: DeadLetters | None = None
        self.timers_at = 0.0
        """When, by the loop's clock, due timers were last looked for, and those found fired."""
        self.connected: Callable[[Pool], None] = lambda _: None

    def begin(self) -> None:
        """Starts in the background, trying again until everything is there."""
        self._spawn(self._start())

    async def _start(self) -> None:
        dsn = self.settings.database_url.get_secret_value()
        self.pool = await self._until("database", lambda: self._connect(dsn))
        if self.settings.migrate:
            await self._until("migrations", self._migrate)
        self.connected(self.pool)
        self.timers_at = asyncio.get_running_loop().time()
        self.pump = Pump(
            self.service,
            self.pool,
            self.clock,
            self.metrics,
            batch_max=self.settings.batch_max,
            spans=self.exporter,
        )
        self.dead_letters = DeadLetters(self.pool, self.pump, self.reader, self.clock)
        self.relay = Relay(
            dsn,
            self._sender,
            self.metrics,
            limit=self.settings.relay_max,
            client=self.service.name,
            silence=self.settings.session_timeout,
        )
        self.pump.published = self.relay.wake
        self._spawn(self.pump.run())
        self._spawn(self.relay.run())
        self._spawn(self._fire_timers(self.pool, self.pump))
        for watch in self._watches:
            self._spawn(watches.run(watch, dsn, self.service.name))
        if self.exporter:
            self._spawn(self.exporter.run())
        self.intake = await self._until("broker", self._join)
        self.starting = ""
        log.info("started", topics=self.service.topics)

    async def _connect(self, dsn: str) -> Pool:
        # A replica that is silent this long has lost its partitions: its locks must not outlive its share.
        silence = str(int(self.settings.session_timeout * 1000))
        return await asyncpg.create_pool(
            dsn,
            min_size=2,
            max_size=8,
            timeout=5,
            command_timeout=30,
            reset=as_it_is,
            server_settings={"application_name": self.service.name, "idle_in_transaction_session_timeout": silence},
        )

    async def _migrate(self) -> None:
        assert self.pool
        async with self.pool.acquire() as connection:
            for name in await migrate(connection, self._migrations):
                log.info("migrated", migration=name)

    async def _join(self) -> Intake:
        assert self.pump
        intake = Intake(self.settings, self.service.name, self.service.topics, self.reader, self.pump)
        try:
            await intake.start()
        except BaseException:
            await intake.stop()
            raise
        return intake

    async def _until(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        pause = 0.1
        while True:
            self.starting = what
            try:
                return await attempt()
            except Exception as error:
                self.start_fault = repr(error)
                log.warning("start_retried", waiting_for=what, error=self.start_fault)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _fire_timers(self, pool: Pool, pump: Pump) -> None:
        limit = self.settings.batch_max
        loop = asyncio.get_running_loop()
        seen: tuple[datetime, int, int] | None = None
        moved_at = loop.time()
        while True:
            looked_at = (self.clock.now(), pump.born_due, int(loop.time()))
            if self.clock.virtual and looked_at == seen:
                # A virtual clock stands still: nothing falls due unless it moves or a batch sets a timer to the past.
                # Another replica's batch, too, which the look of every second finds.
                self.timers_at = loop.time()
                stands = self.timers_at - moved_at > STANDING
                await asyncio.sleep(STANDING_TIMER_POLL if stands else VIRTUAL_TIMER_POLL)
                continue
            if seen is None or looked_at[:2] != seen[:2]:
                moved_at = loop.time()
            fired = 0
            try:
                async with pool.acquire() as connection:
                    due = await timers.due(connection, looked_at[0], limit)
                if due:
                    await pump.submit([timer(one) for one in due], give_up_after=self.settings.retry_for)
                fired = len(due)
                seen = looked_at
                self.timers_at = loop.time()
            except Exception as error:
                # Whatever it is, the rows are still there: a timer that was not fired is found again.
                log.warning("timers_retried", error=repr(error))
            if fired < limit:
                await asyncio.sleep(VIRTUAL_TIMER_POLL if self.clock.virtual else self.settings.timer_poll)

    async def accept(self, id: UUID, command: Command, request: bytes = b"") -> Answer:
        """A command from HTTP: its answer after COMMIT. With the digest of its `request` the answer is kept for whoever
        asks again. Raises `Refused`: unavailable, overloaded."""
        (answer,) = await self.deliver([self.reader.command(id, command, request)])
        return answer

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Answer]:
        """Deliveries from HTTP or a webhook. Raises `Refused`: unavailable, overloaded (both 503)."""
        if self.pump is None or self.stopping:
            raise Refused("unavailable", f"the service waits for its {self.starting or 'end'}; try again")
        if max(self._commands, self.pump.waiting) >= self.settings.intake_max:
            raise Refused("overloaded", "too many commands are waiting; try again later")
        self._commands += len(deliveries)
        try:
            async with asyncio.timeout(self.settings.http_wait):
                return await self.pump.submit(deliveries, give_up_after=self.settings.http_wait)
        except (Unavailable, TimeoutError):
            raise Refused(
                "unavailable", "no answer in time, and it may still happen; repeat it with the same Idempotency-Key"
            ) from None
        finally:
            self._commands -= len(deliveries)

    def stalled(self) -> dict[Moving, str]:
        """The parts that make no progress, each with what it looks like; {} while the service starts."""
        if not (self.pump and self.relay and self.intake) or self.starting:
            return {}
        seen = Seen(
            now=asyncio.get_running_loop().time(),
            pump_since=self.pump.busy_since,
            relay_at=self.relay.moved_at,
            timers_at=self.timers_at,
            lag_seconds=self.intake.lag_seconds(),
            handled_at=self.intake.handled_at,
        )
        return stalled(seen, self.settings.stall_after)

    async def probe(self) -> list[str]:
        """Asks the database and the broker now; what is wrong with them, in words."""
        wrong = []
        try:
            assert self.pool
            async with self.pool.acquire(timeout=2) as connection:
                await connection.fetchval("SELECT 1", timeout=2)
        except Exception as error:
            wrong.append(f"database: {error!r}")
        try:
            if not (self.intake and await self.intake.broker.ping(2)):
                wrong.append("broker: no answer")
        except Exception as error:
            wrong.append(f"broker: {error!r}")
        return wrong

    async def stop(self) -> None:
        """Orderly, within `STOP_WITHIN` seconds."""
        self.stopping = True
        try:
            async with asyncio.timeout(STOP_WITHIN):
                if self.intake:
                    await self.intake.stop()
                if self.pump:
                    await self.pump.drain()
                if self.relay and self.pool and self.relay.leading and not self.relay.fault:
                    while await self.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)"):
                        self.relay.wake()
                        await asyncio.sleep(0.01)
        except Exception as error:
            log.warning("stopped_early", error=repr(error))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close()
        if self.exporter:
            await self.exporter.flush()
        if self.pool:
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await self.pool.close()
        log.info("stopped")

    def _spawn(self, work: Awaitable[None]) -> None:
        async def watched() -> None:
            try:
                await work
            except asyncio.CancelledError:
                raise
            except BaseException:
                # A part that ends is a fault of ours; without it the process only seems to live.
                log.critical("part_died", exc_info=True)
                self.starting = "restart: a part of it died"
                raise

        self._tasks.append(asyncio.create_task(watched()))


def build(running: Running, api: Api) -> FastAPI:
    """The service's ASGI app; its lifespan starts and stops `running`."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        running.begin()
        try:
            yield
        finally:
            await running.stop()

    app = FastAPI(title=f"Holdfast {running.service.name}", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(Telemetry, metrics=running.metrics, spans=running.exporter)
    app.state.running = running
    app.state.accept = running.accept
    app.state.under_way = set[UUID]()
    app.state.deliver = running.deliver
    app.state.reader = running.reader
    app.state.door = webhooks.Door(running.settings.webhook_keys)
    app.state.access = running.access
    app.state.clock = running.clock
    app.state.repository = running.repository
    app.add_exception_handler(Refused, on_refused)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_parameters)
    app.add_exception_handler(asyncpg.DataError, on_bad_value)
    app.add_exception_handler(Exception, on_fault)
    for fault in TRANSIENT:
        app.add_exception_handler(fault, on_away)
    # Routes are tried in their order: what is asked most stands first.
    add_routes(app, api)
    app.include_router(admin.router)
    app.include_router(webhooks.router)
    if running.settings.environment != "production":
        app.include_router(admin.development)
    app.openapi = lambda: describe(app, api, running.service.name)  # type: ignore[method-assign]

    app.state.pool = _NotYet()

    def connected(pool: Pool) -> None:
        app.state.pool = pool

    running.connected = connected
    return app


def _exporter(settings: Settings, service: str, metrics: Metrics) -> "Exporter | None":
    if not settings.otlp_endpoint:
        return None
    from runtime.otlp import Exporter

    return Exporter(settings.otlp_endpoint, settings.trace_share, service, admin.LIFE, metrics.spans_dropped)


class _NotYet:
    """Stands for the pool until there is one: whoever needs it is told 503."""

    def __getattr__(self, name: str) -> NoReturn:
        raise Refused("unavailable", "the service waits for its database; try again")


def serve(
    service: Service,
    api: Api,
    migrations: Sequence[Path],
    sender: Callable[[Settings, KafkaSender], Sender] = lambda _, kafka: kafka,
) -> None:
    """Runs a service until SIGTERM or SIGINT. Settings come from the environment. With the argument `--migrate` it only
    brings the database up to date."""
    settings = from_environment(Settings)
    configure(service.name, settings.log_level)
    if sys.argv[1:] == ["--migrate"]:
        asyncio.run(migrate_now(settings.database_url.get_secret_value(), migrations))
        return
    app = build(Running(service, settings, migrations, sender, api.watches), api)
    collector.begin()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
        server_header=False,
    )
    # uvicorn raises the signal that stopped it once more when all is done; its default would make that end a kill.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with suppress(KeyboardInterrupt):
        uvloop.run(uvicorn.Server(config).serve())
