"""One world: every service with its database in memory, topics, people, a clock and trouble, all out of one seed.

A world takes steps. In each, one thing happens: a replica fetches or handles a batch, a relay publishes, people hear
news or act, partitions change hands, a message comes again, or time passes. Nothing is ever concurrent and nothing is
left to chance but `random.Random(seed)`: the same seed is the same world, step by step.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from random import Random
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from contracts.envelope import EnvelopeError, decode, encode, read
from contracts.message import Command, Event, Message
from contracts.registry import REGISTRY
from runtime.batch import Passed
from runtime.decision import Service
from runtime.delivery import Delivery, RawRecord
from tests.simulation.broker import Broker, Place
from tests.simulation.database import Change
from tests.simulation.faults import CALM, Faults
from tests.simulation.node import Call, Node
from tests.simulation.violation import Violation

START = datetime(2025, 6, 20, 8, tzinfo=UTC)
"""Ten days before policies change."""
MOST_STEPS = 30_000
CLIENT = "marketplace"
GARBAGE = b"{"


class Traced(NamedTuple):
    """Something that happened: a delivery and its answer, a message and how it was sent, or words."""

    step: int
    at: datetime
    where: str
    what: Delivery | Message | str
    outcome: object = ""


class Watcher(Protocol):
    """Checks what holds in a world, and raises `Violation` where it does not."""

    def committed(self, node: Node, change: Change) -> None: ...

    def quiet(self) -> None: ...

    def over(self) -> None: ...


class Audience(Protocol):
    """Whoever hears of events, each once, those of one key in order."""

    interests: Collection[type[Message]]

    def hear(self, event: Any, version: int | None) -> None: ...


@dataclass
class World:
    """See the module. Give it watchers and an audience before it runs."""

    seed: int
    services: Sequence[Service]
    faults: Faults = CALM
    rng: Random = field(init=False)
    now: datetime = field(init=False, default=START)
    steps: int = field(init=False, default=0)
    broker: Broker = field(init=False, default_factory=Broker)
    nodes: dict[str, Node] = field(init=False)
    watchers: list[Watcher] = field(init=False, default_factory=list)
    audience: list[Audience] = field(init=False, default_factory=list)
    trace: list[Traced] = field(init=False, default_factory=list)
    told: set[str] = field(init=False, default_factory=set)
    """Ids of messages that came from outside the services."""
    planted: set[str] = field(init=False, default_factory=set)
    """Keys on which a record was planted that nobody can decode."""

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self._ids = 0
        self._plans: list[tuple[datetime, int, Callable[[], object]]] = []
        self._planned = 0
        self._unheard: dict[Place, int] = {}
        self._heard: set[str] = set()
        self.nodes = {
            service.name: Node(service, self.broker, self.rng, self.faults, self.new_id, self._handled, self._crashed)
            for service in self.services
        }
        for topic in sorted({message.TOPIC for message in REGISTRY.values() if issubclass(message, Event)}):
            self.broker.listen(topic, self._news)
        self._away: dict[str, datetime] = {}
        for each in self.faults.silences:
            self.plan(each.begins, partial(self.silence, each.service, each.lasts))

    def new_id(self) -> str:
        """An id like a UUIDv7, the next one."""
        self._ids += 1
        return f"00000000-0000-7000-8000-{self._ids:012x}"

    def plan(self, wait: timedelta, act: Callable[[], object]) -> None:
        """Somebody means to do something after `wait`."""
        self._planned += 1
        heappush(self._plans, (self.now + wait, self._planned, act))

    def send(self, message: Message, *, id: str = "", source: str = CLIENT) -> str:
        """Publishes a message from outside the services; returns its id."""
        id = id or self.new_id()
        self.told.add(id)
        self.trace.append(Traced(self.steps, self.now, source, message, "published from outside"))
        record = encode(
            message, id=id, source=source, time=self.now, correlation_id=message.key, causation_id="", sequence=0
        )
        self.broker.append(*record)
        return id

    def send_raw(self, topic: str, key: str, type: str, value: bytes) -> None:
        """Publishes a record whose envelope can be read, whatever its value."""
        id = self.new_id()
        self.told.add(id)
        self.note(CLIENT, f"publishes {type} {value!r} on key {key}")
        headers = {"ce_specversion": "1.0", "ce_id": id, "ce_type": type, "ce_source": CLIENT}
        self.broker.append(topic, key.encode(), [(name, text.encode()) for name, text in headers.items()], value)

    def call(self, command: Command, *, id: str = "") -> str:
        """Sends a command by HTTP; returns its idempotency key."""
        id = id or self.new_id()
        self.trace.append(Traced(self.steps, self.now, CLIENT, command, "sent by HTTP"))
        self.nodes[command.TOPIC.split(".")[0]].calls.append(Call(UUID(id), command))
        return id

    def silence(self, service: str, lasts: timedelta) -> None:
        """A service goes away as a whole; it comes back after `lasts`."""
        if service in self.nodes:
            self.note("trouble", f"{service} is away for {lasts}")
            self._away[service] = max(self.now + lasts, self._away.get(service, self.now))

    def is_away(self, service: str) -> bool:
        """Whether a service is silent now."""
        return service in self._away

    def plant(self, topic: str, key: str) -> RawRecord:
        """Publishes a record on this key that no service can decode."""
        self.planted.add(key)
        self.note("trouble", f"a record that nobody can decode, on key {key} of {topic}")
        headers = [("ce_id", self.new_id().encode()), ("ce_type", b"orders.order_paid.v1"), ("ce_source", b"\xff")]
        return self.broker.append(topic, key.encode(), headers, GARBAGE)

    def note(self, where: str, what: str) -> None:
        """Remembers something for the story of a failing seed."""
        self.trace.append(Traced(self.steps, self.now, where, what))

    def run(self) -> None:
        """Until nothing is under way, nobody plans anything and no timer is set. Raises `Violation`."""
        while self.step():
            if self.steps > MOST_STEPS:
                raise Violation("I4 rest", f"the world is not quiet after {MOST_STEPS} steps")
        for watcher in self.watchers:
            watcher.over()

    def digest(self) -> str:
        """A short text that is the same for worlds in which the same happened."""
        digest = sha256()
        for step, at, where, what, outcome in self.trace:
            told = what.cause if isinstance(what, Delivery) else what
            digest.update(f"{step} {at} {where} {told!r} {type(outcome).__name__}".encode())
        return digest.hexdigest()[:16]

    def step(self) -> bool:
        """One thing happens; False when nothing can any more."""
        self.steps += 1
        self.now += timedelta(microseconds=self.rng.randint(1, 40_000))
        faults, trouble = self.faults, self.rng.random()
        if trouble < faults.rebalance:
            self.rng.choice(list(self.nodes.values())).rebalance()
        elif trouble < faults.rebalance + faults.duplicate and self.broker.history:
            record = self.rng.choice(self.broker.history)
            if record.value != GARBAGE:
                self.broker.again(record)
        acts = self._possible()
        if acts and self.rng.random() >= faults.hurry:
            self.rng.choice(acts)()
            return True
        if not acts and not self._away:
            for watcher in self.watchers:
                watcher.quiet()
        return self._let_time_pass() or bool(acts)

    def _possible(self) -> list[Callable[[], object]]:
        awake = [node for node in self.nodes.values() if node.name not in self._away]
        slow = self.faults.slow
        quick = [node for node in awake if node.name not in slow or self.rng.random() < 0.1] if slow else awake
        acts = self._acts(quick)
        if self._unheard:
            acts.append(self._spread_news)
        if self._plans and self._plans[0][0] <= self.now:
            acts.append(self._carry_out)
        return acts or self._acts(awake)

    def _acts(self, nodes: Sequence[Node]) -> list[Callable[[], object]]:
        acts: list[Callable[[], object]] = []
        for node in nodes:
            if node.busy(self.now):
                acts.append(partial(node.work, self.now))
            if node.database.outbox:
                acts.append(node.relay)
        return acts

    def _let_time_pass(self) -> bool:
        """Up to the next moment at which somebody acts, or somewhat past it; False when there is none."""
        moments = [*self._away.values()]
        if self._plans:
            moments.append(self._plans[0][0])
        moments += [due for node in self.nodes.values() if node.name not in self._away and (due := node.next_due())]
        if not moments:
            return False
        self.now = max(self.now, min(moments))
        if self.rng.random() < self.faults.oversleep:
            self.now += timedelta(seconds=self.rng.uniform(0, 7_200))
        self._away = {name: until for name, until in self._away.items() if until > self.now}
        return True

    def _carry_out(self) -> None:
        heappop(self._plans)[2]()

    def _news(self, place: Place) -> None:
        self._unheard.setdefault(place, len(self.broker.logs[place]) - 1)

    def _spread_news(self) -> None:
        place = self.rng.choice(list(self._unheard))
        position, log = self._unheard[place], self.broker.logs[place]
        some = log[position : position + self.rng.randint(1, 10)]
        if position + len(some) == len(log):
            del self._unheard[place]
        else:
            self._unheard[place] = position + len(some)
        for record in some:
            self._hear(record)

    def _hear(self, record: RawRecord) -> None:
        try:
            envelope = read(record.headers, record.key, record.value)
        except EnvelopeError:
            return
        message_type = REGISTRY.get(envelope.type)
        listening = [each for each in self.audience if message_type in each.interests]
        if message_type is None or not listening or envelope.id in self._heard:
            return
        self._heard.add(envelope.id)
        event = decode(envelope, message_type)
        for each in listening:
            each.hear(event, envelope.sequence)

    def _handled(self, node: Node, change: Change) -> None:
        for delivery, answer in zip(change.deliveries, change.answers, strict=True):
            if not isinstance(answer, Passed):
                self.trace.append(Traced(self.steps, self.now, node.name, delivery, answer))
        for watcher in self.watchers:
            watcher.committed(node, change)

    def _crashed(self, node: Node, deliveries: Sequence[Delivery], how: str) -> None:
        for delivery in deliveries:
            if delivery.item:
                self.trace.append(Traced(self.steps, self.now, node.name, delivery, how))
