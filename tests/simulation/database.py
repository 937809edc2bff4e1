"""A service's database in memory, and its one transaction: what `runtime.pump` does between BEGIN and COMMIT.

`decide` changes nothing but the book, which `roll_back` takes back; `commit` changes all at once. States are kept as
they come back from their JSON, as the repository gives them, and one that does not come back equal is an error.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from contracts.envelope import encode
from contracts.message import is_command
from ledger.book import Book
from runtime.batch import Answer, Duplicate, Parked, Passed
from runtime.decision import Ref, Service
from runtime.delivery import TIMER_TOPIC, Delivery, Origin, Reader, parse_timer, timer
from runtime.fold import ABSENT, Behind, Done, Failed, Produced, Refusal, Versioned, fold
from runtime.outbox import Record
from runtime.parking import Letter, letter
from runtime.timers import DueTimer
from tests.simulation.violation import Violation


class Leaving(NamedTuple):
    """A row of the outbox: a message by its `ce_id`, and the aggregate and version that sent it."""

    id: str
    record: Record
    ref: Ref
    sequence: int


@dataclass(slots=True)
class Change:
    """One transaction, decided: everything it will have done once it commits."""

    deliveries: Sequence[Delivery]
    now: datetime
    answers: list[Answer] = field(default_factory=list)
    live: list[Delivery] = field(default_factory=list)
    admitted: set[UUID] = field(default_factory=set)
    before: Mapping[Ref, Versioned] = field(default_factory=dict)
    states: Mapping[Ref, Versioned] = field(default_factory=dict)
    claimed: list[DueTimer] = field(default_factory=list)
    timers: Mapping[tuple[Ref, str], datetime | None] = field(default_factory=dict)
    postings: list[tuple[str, Any]] = field(default_factory=list)
    leaving: list[Leaving] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    bookmark: int = 0

    @property
    def changes(self) -> dict[Ref, int]:
        """How many messages changed the state of each aggregate."""
        counted: dict[Ref, int] = {}
        for delivery, answer in zip(self.deliveries, self.answers, strict=True):
            if delivery.item and isinstance(answer, Done):
                counted.setdefault(delivery.item.ref, 0)
        for ref, after in self.states.items():
            counted[ref] = after.version - self.before.get(ref, ABSENT).version
        return counted


class Database:
    """States, inbox, outbox, timers, parked keys and book of one service."""

    def __init__(self, service: Service, new_id: Callable[[], str]) -> None:
        self.service = service
        self.reader = Reader(service)
        self.book = Book() if service.postings else None
        self.rows: dict[Ref, Versioned] = {}
        self.inbox: set[UUID] = set()
        self.outbox: list[Leaving] = []
        self.timers: dict[tuple[Ref, str], datetime] = {}
        self.parked: dict[str, list[Letter]] = {}
        self._new_id = new_id
        self._soonest: list[tuple[datetime, str, str, str]] = []
        self._decode = {each.name: msgspec.json.Decoder(each.state).decode for each in service.aggregates}

    def state(self, aggregate: str, id: str) -> Any:
        """An aggregate's state; None if there is none."""
        return self.rows.get(Ref(aggregate, id), ABSENT).state

    def states(self, aggregate: str) -> Iterable[Any]:
        """All states of one kind."""
        return [row.state for ref, row in self.rows.items() if ref.aggregate == aggregate]

    def next_due(self) -> datetime | None:
        """When the earliest timer falls due."""
        while self._soonest:
            due_at, aggregate, id, name = self._soonest[0]
            if self.timers.get((Ref(aggregate, id), name)) == due_at:
                return due_at
            heappop(self._soonest)
        return None

    def due(self, now: datetime, limit: int) -> list[DueTimer]:
        """What is due, oldest first. Read, not claimed."""
        soonest = self.next_due()
        if soonest is None or soonest > now:
            return []
        due = [DueTimer(ref, name, at) for (ref, name), at in self.timers.items() if at <= now]
        return sorted(due, key=lambda each: (each.due_at, each.ref.id, each.name))[:limit]

    def decide(self, deliveries: Sequence[Delivery], now: datetime, replaying: str = "") -> Change:
        """The transaction up to COMMIT. Raises what the book raises when a posting is refused."""
        change = Change(deliveries, now)
        answers: dict[int, Answer] = {}
        self._drop_seen(change, answers)
        self._hold_back_parked(change, answers, replaying)
        self._claim_timers(change, answers)
        items = [delivery.item for delivery in change.live if delivery.item]
        wanted = {ref for item in items for ref in (item.ref, *item.reads)}
        change.before = {ref: self.rows[ref] for ref in wanted if ref in self.rows}
        folded = fold(self.service, items, change.before, now)
        change.states, change.timers, change.postings = folded.states, folded.timers, folded.postings
        results = iter(folded.results)
        for delivery in change.live:
            result = next(results) if delivery.item else Refusal.of(delivery.refusal)
            answers[id(delivery)] = self._answer(change, delivery, result)
        change.answers = [answers[id(delivery)] for delivery in deliveries]
        for delivery, answer in zip(deliveries, change.answers, strict=True):
            by_http = isinstance(answer, Refusal) and delivery.origin is Origin.HTTP
            if by_http or isinstance(answer, Parked | Failed):
                change.admitted.discard(delivery.id)
        if self.book is not None:
            change.bookmark = self.book.mark()
            if change.postings:
                self.book.apply_all(change.postings)
        return change

    def commit(self, change: Change) -> None:
        """All of it."""
        self.inbox |= change.admitted
        for ref, after in change.states.items():
            self.rows[ref] = Versioned(self._from_json(ref, after.state), after.version)
        for claimed in change.claimed:
            del self.timers[claimed.ref, claimed.name]
        for (ref, name), due_at in change.timers.items():
            self.timers.pop((ref, name), None)
            if due_at is not None:
                self.set_timer(DueTimer(ref, name, due_at))
        self.outbox += change.leaving
        for each in change.letters:
            standing = self.parked.setdefault(each.lane, [])
            if all(each.delivery.id != other.delivery.id for other in standing):
                standing.append(each)

    def roll_back(self, change: Change) -> None:
        """None of it."""
        if self.book is not None:
            self.book.undo(change.bookmark)

    def set_timer(self, due: DueTimer) -> None:
        """Sets a timer's row."""
        self.timers[due.ref, due.name] = due.due_at
        heappush(self._soonest, (due.due_at, due.ref.aggregate, due.ref.id, due.name))

    def replay(self, lane: str, now: datetime) -> Change:
        """An operator replays a parked key: its letters in order, up to the first that still cannot be handled."""
        deliveries = [self._parked_delivery(each) for each in self.parked[lane]]
        change = self.decide(deliveries, now, replaying=lane)
        handled = next((n for n, answer in enumerate(change.answers) if isinstance(answer, Parked)), len(deliveries))
        change.letters = []
        self.commit(change)
        self._resolve(lane, handled)
        return change

    def discard(self, lane: str) -> Letter:
        """An operator gives up the first letter of a parked key."""
        first = self.parked[lane][0]
        self.inbox.add(first.delivery.id)
        self._resolve(lane, 1)
        return first

    def _resolve(self, lane: str, count: int) -> None:
        del self.parked[lane][:count]
        if not self.parked[lane]:
            del self.parked[lane]

    def _parked_delivery(self, parked: Letter) -> Delivery:
        record = parked.delivery.record
        if record.topic != TIMER_TOPIC:
            return self.reader.record(record)
        due = parse_timer(record.value or b"")
        self.set_timer(due)
        return timer(due)

    def _drop_seen(self, change: Change, answers: dict[int, Answer]) -> None:
        for delivery in change.deliveries:
            if delivery.item is None and delivery.refusal is None and delivery.fault is None:
                answers[id(delivery)] = Passed()
            elif delivery.timer:
                change.live.append(delivery)
            elif delivery.id in self.inbox or delivery.id in change.admitted:
                answers[id(delivery)] = Duplicate()
            else:
                change.admitted.add(delivery.id)
                change.live.append(delivery)

    def _hold_back_parked(self, change: Change, answers: dict[int, Answer], replaying: str) -> None:
        standing = set(self.parked) - {replaying}
        if not standing and all(delivery.fault is None for delivery in change.live):
            return
        live = []
        for delivery in change.live:
            lane = next((lane for lane in delivery.lanes if lane in standing), None)
            if lane is None and delivery.fault is None:
                live.append(delivery)
                continue
            answers[id(delivery)] = Parked()
            if delivery.origin is Origin.HTTP:
                continue
            if delivery.timer and not self._claim(change, delivery.timer):
                answers[id(delivery)] = Duplicate()
                continue
            lane = lane or delivery.lane
            change.letters.append(letter(delivery, lane, delivery.fault, behind=lane in standing))
            standing.add(lane)
        change.live = live

    def _claim_timers(self, change: Change, answers: dict[int, Answer]) -> None:
        live = []
        for delivery in change.live:
            if delivery.timer is None or self._claim(change, delivery.timer):
                live.append(delivery)
            else:
                answers[id(delivery)] = Duplicate()
        change.live = live

    def _claim(self, change: Change, due: DueTimer) -> bool:
        stands = self.timers.get((due.ref, due.name)) == due.due_at and due not in change.claimed
        if stands:
            change.claimed.append(due)
        return stands

    def _answer(self, change: Change, delivery: Delivery, result: Any) -> Answer:
        if isinstance(result, Done):
            assert delivery.item is not None
            change.leaving += [self._leave(delivery.item.ref, each, change.now) for each in result.produced]
            return result
        if isinstance(result, Refusal):
            self._refuse(change, delivery, result)
            return result
        if delivery.origin is Origin.HTTP:
            assert isinstance(result, Failed)
            return result
        error = result.error if isinstance(result, Failed) else None
        change.letters.append(letter(delivery, delivery.lane, error, behind=isinstance(result, Behind)))
        return Parked()

    def _refuse(self, change: Change, delivery: Delivery, refusal: Refusal) -> None:
        if delivery.origin is not Origin.KAFKA or not is_command(delivery.record.topic):
            return
        subject = delivery.record.lane[:256]
        event = self.service.refusal(
            subject=subject,
            command_id=delivery.cause[:256],
            command_type=delivery.type[:256],
            code=refusal.code,
            reason=refusal.reason[:1000],
        )
        correlation = delivery.item.correlation_id if delivery.item else subject
        change.leaving.append(
            self._leave(Ref("refusals", subject), Produced(event, delivery.cause, correlation, 0), change.now)
        )

    def _leave(self, ref: Ref, produced: Produced, now: datetime) -> Leaving:
        id = self._new_id()
        record = encode(
            produced.message,
            id=id,
            source=self.service.name,
            time=now,
            correlation_id=produced.correlation_id,
            causation_id=produced.causation_id,
            sequence=produced.sequence,
        )
        return Leaving(id, Record(*record), ref, produced.sequence)

    def _from_json(self, ref: Ref, state: Any) -> Any:
        again = self._decode[ref.aggregate](msgspec.json.encode(state))
        if again != state:
            raise Violation(
                "I8 legal states", f"the state does not survive its JSON: {state} came back as {again}", ref.id
            )
        return again
