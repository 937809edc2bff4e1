"""What happens to a batch between BEGIN and COMMIT: the one path, step by step.

inbox, parked keys and states, locked, in one statement → claim timers → decide (pure) → write states, timers and outbox
in one statement → postings
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import structlog

from contracts.envelope import encode
from contracts.message import is_command
from contracts.registry import dead_letter_topic
from runtime import census, idempotency, inbox, outbox, parking, timers, writes
from runtime.clock import Clock
from runtime.db import Connection
from runtime.decision import Ref, Service
from runtime.delivery import Delivery, Origin
from runtime.fold import Behind, Done, Failed, Folded, Produced, Refusal, Versioned, fold
from runtime.ids import new_id
from runtime.outbox import Record
from runtime.repository import Repository
from runtime.tracing import Context, passed_on

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Handled before; nothing happened now."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Not for this service."""


@dataclass(frozen=True, slots=True)
class Parked:
    """Its key stands still: it waits there (from Kafka), or was not taken (from HTTP)."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """Handled before, under a key of its caller's: `answer` is the one it had then."""

    answer: Done | Refusal


Answer = Done | Refusal | Failed | Duplicate | Passed | Parked | Repeated


NOTHING: Mapping[int, Answer] = MappingProxyType({})


@dataclass(slots=True)
class Batch:
    """One transaction's work. `answers` are by the identity of the delivery."""

    in_doubt: Mapping[int, Answer]
    context: Context = passed_on
    """What traceparent its messages bear."""
    answers: dict[int, Answer] = field(default_factory=dict)
    live: list[Delivery] = field(default_factory=list)
    twins: list[tuple[Delivery, Delivery]] = field(default_factory=list)
    """Deliveries with the id of an earlier one of this batch, and that one."""
    kept: list[tuple[UUID, idempotency.Kept]] = field(default_factory=list)
    """Answers to be given again, of commands that came by HTTP under a key."""
    letters: list[parking.Letter] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    timer_due: bool = False
    """Whether it set a timer to a moment already past."""


class Handler:
    """Applies batches for one service, each in a transaction that the caller begins and ends."""

    def __init__(self, service: Service, clock: Clock) -> None:
        self._service = service
        self._repository = Repository(service)
        self._counted = census.counted(service)
        self._clock = clock

    async def apply(
        self,
        connection: Connection,
        deliveries: Sequence[Delivery],
        *,
        in_doubt: Mapping[int, Answer] = NOTHING,
        replaying: str = "",
        context: Context = passed_on,
    ) -> Batch:
        """Everything between BEGIN and COMMIT. `in_doubt` are the answers of an earlier try whose COMMIT was not
        answered. Also the path of a replay of the parked key `replaying`, and of its dry run, which rolls back."""
        now = self._clock.now()
        batch = Batch(in_doubt, context)
        seen, standing, loaded = await self._open(connection, deliveries)
        standing.discard(replaying)
        await self._drop_seen(connection, deliveries, batch, seen)
        await self._hold_back_parked(connection, batch, standing)
        await self._drop_gone_timers(connection, batch)
        folded = fold(self._service, [delivery.item for delivery in batch.live if delivery.item], loaded, now)
        self._answer(batch, folded, now)
        batch.timer_due = any(due_at and due_at <= now for due_at in folded.timers.values())
        await self._park(connection, deliveries, batch, now)
        effects = [
            *self._repository.writes(loaded, folded.states),
            *census.writes(census.moves(self._counted, loaded, folded.states)),
            *timers.writes(folded.timers),
            *outbox.writes(batch.records),
            *idempotency.writes(batch.kept),
        ]
        await writes.write(connection, effects)
        # Last, because batches of other replicas wait for the accounts.
        if folded.postings and self._service.postings:
            await self._service.postings.write(connection, folded.postings, now)
        for twin, first in batch.twins:
            batch.answers[id(twin)] = _as_its_twin(twin, first, batch.answers[id(first)])
        return batch

    async def _open(
        self, connection: Connection, deliveries: Sequence[Delivery]
    ) -> tuple[set[UUID], set[str], dict[Ref, Versioned]]:
        """Admits what is here for the first time and locks what it is for: which ids were seen before, which keys stand
        still, and the states."""
        ids = [delivery.id for delivery in deliveries if delivery.timer is None and not delivery.passed]
        lanes = {lane for delivery in deliveries for lane in delivery.lanes}
        items = [delivery.item for delivery in deliveries if delivery.item]
        refs, looked_at = {item.ref for item in items}, {ref for item in items for ref in item.reads}
        first = [inbox.admission(ids), parking.standing(lanes)]
        states, (seen, standing) = await self._repository.load(connection, refs, looked_at, first)
        if not seen and not standing:
            return set(), set(), states
        # Somebody may have been waited for whose work that one statement does not see, but for the rows that it locked:
        # a replica that had the same messages, or one that replayed a key. The next statement sees it.
        states, _ = await self._repository.load(connection, refs, looked_at)
        return inbox.ids(seen), {key for _, key, stands_still, _ in standing if stands_still}, states

    async def _drop_seen(
        self, connection: Connection, deliveries: Sequence[Delivery], batch: Batch, seen: Container[UUID]
    ) -> None:
        first: dict[UUID, Delivery] = {}
        asked_again = []
        for delivery in deliveries:
            if delivery.passed:
                batch.answers[id(delivery)] = Passed()
            elif delivery.timer:
                batch.live.append(delivery)
            elif delivery.id in first:
                batch.twins.append((delivery, first[delivery.id]))
            elif delivery.id not in seen:
                batch.live.append(delivery)
                first[delivery.id] = delivery
            else:
                batch.answers[id(delivery)] = batch.in_doubt.get(id(delivery), Duplicate())
                if delivery.request:
                    asked_again.append(delivery)
        if asked_again:
            # Also what an earlier try of ours left whose COMMIT was not answered, unless another replica was quicker:
            # what is stored is what happened.
            kept = await idempotency.find(connection, [delivery.id for delivery in asked_again])
            for delivery in asked_again:
                if found := kept.get(delivery.id):
                    batch.answers[id(delivery)] = _again(delivery.request, found.request, found.answer)

    async def _hold_back_parked(self, connection: Connection, batch: Batch, standing: set[str]) -> None:
        live = []
        for delivery in batch.live:
            lane = next((lane for lane in delivery.lanes if lane in standing), None) if standing else None
            if lane is None and delivery.fault is None:
                live.append(delivery)
                continue
            batch.answers[id(delivery)] = Parked()
            if delivery.origin is Origin.HTTP:
                continue
            # Rare enough to claim a held timer here, by itself.
            if delivery.timer and not await timers.claim(connection, [delivery.timer]):
                batch.answers[id(delivery)] = Duplicate()
                continue
            lane = lane or delivery.lane
            batch.letters.append(parking.letter(delivery, lane, delivery.fault, behind=lane in standing))
            standing.add(lane)
        batch.live = live

    async def _drop_gone_timers(self, connection: Connection, batch: Batch) -> None:
        fired = [delivery.timer for delivery in batch.live if delivery.timer]
        if not fired:
            return
        claimed = await timers.claim(connection, fired)
        live = []
        for delivery in batch.live:
            if delivery.timer is None or delivery.timer in claimed:
                live.append(delivery)
                if delivery.timer:
                    claimed.discard(delivery.timer)
            else:
                batch.answers[id(delivery)] = batch.in_doubt.get(id(delivery), Duplicate())
        batch.live = live

    def _answer(self, batch: Batch, folded: Folded, now: datetime) -> None:
        """What each message came to, and what is to be published, in the order of the messages."""
        results = iter(folded.results)
        for delivery in batch.live:
            result = next(results) if delivery.item else Refusal.of(delivery.refusal)
            answer: Answer = result if not isinstance(result, Behind) else Parked()
            if isinstance(result, Done):
                for produced in result.produced:
                    trace = batch.context(delivery.trace, produced.correlation_id)
                    batch.records.append(self._encode(produced, now, trace))
            elif isinstance(result, Refusal):
                self._refuse(batch, delivery, result, now)
            elif delivery.origin is not Origin.HTTP:
                error = result.error if isinstance(result, Failed) else None
                batch.letters.append(parking.letter(delivery, delivery.lane, error, behind=isinstance(result, Behind)))
                answer = Parked()
            batch.answers[id(delivery)] = answer
            if delivery.request and isinstance(result, Done | Refusal):
                batch.kept.append((delivery.id, idempotency.Kept(delivery.request, result)))

    def _refuse(self, batch: Batch, delivery: Delivery, refusal: Refusal, now: datetime) -> None:
        """A refused command that came by Kafka is answered on the service's events topic; an event is only logged."""
        if delivery.origin is Origin.KAFKA and is_command(delivery.record.topic):
            subject = delivery.record.lane[:256]
            event = self._service.refusal(
                subject=subject,
                command_id=delivery.cause[:256],
                command_type=delivery.type[:256],
                code=refusal.code,
                reason=refusal.reason[:1000],
            )
            correlation = delivery.item.correlation_id if delivery.item else subject
            trace = batch.context(delivery.trace, correlation)
            batch.records.append(self._encode(Produced(event, delivery.cause, correlation, 0), now, trace))
        else:
            log.info("refused", type=delivery.type, key=delivery.lane, code=refusal.code)

    async def _park(self, connection: Connection, deliveries: Sequence[Delivery], batch: Batch, now: datetime) -> None:
        # What had no effect must not count as handled: parked messages come again by a replay. A refusal counts where
        # it is kept as the answer; other commands by HTTP have ids that nobody asks for again.
        without_effect = [
            delivery.id
            for delivery in deliveries
            if isinstance(answer := batch.answers.get(id(delivery)), Parked | Failed)
            or (isinstance(answer, Refusal) and delivery.origin is Origin.HTTP and not delivery.request)
        ]
        if without_effect:
            await inbox.forget(connection, without_effect)
        if batch.letters:
            topic = dead_letter_topic(self._service.name)
            for letter in await parking.park(connection, batch.letters, now):
                batch.records.append(parking.copy_for_topic(topic, letter, self._service.name, now))
                log.error("parked", key=letter.lane, type=letter.delivery.type, code=letter.code, error=letter.error)

    def _encode(self, produced: Produced, now: datetime, traceparent: str) -> Record:
        topic, key, headers, value = encode(
            produced.message,
            id=new_id(),
            source=self._service.name,
            time=now,
            correlation_id=produced.correlation_id,
            causation_id=produced.causation_id,
            sequence=produced.sequence,
            traceparent=traceparent,
        )
        return Record(topic, key, headers, value)


def _again(request: bytes, before: bytes, answer: Done | Refusal) -> Answer:
    """The answer to a command by HTTP whose id was used before, for the body of digest `before`."""
    return Repeated(answer) if request == before else idempotency.reused()


def _as_its_twin(twin: Delivery, first: Delivery, answer: Answer) -> Answer:
    """The answer to a delivery that has the id of an earlier one of its batch."""
    if twin.request and isinstance(answer, Done | Refusal):
        return _again(twin.request, first.request, answer)
    return Duplicate() if isinstance(answer, Done) else answer
