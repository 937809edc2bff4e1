"""A service as it runs: replicas that share its partitions, its timers, its HTTP door and its relay, over one database.

A replica fetches a batch and handles it, perhaps later; in between its partitions may have gone to another. What it
acknowledges counts only while they are its own. A batch is handled whole or not at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import NamedTuple
from uuid import UUID

import msgspec

from contracts.envelope import STRUCTURED, to_structured
from contracts.message import PARTITIONS, Command
from contracts.partition import partition_of
from ledger.errors import LedgerError
from runtime.decision import Service
from runtime.delivery import Delivery, RawRecord, timer
from runtime.outbox import Record
from tests.simulation.broker import Broker, Place
from tests.simulation.database import Change, Database
from tests.simulation.faults import Faults


class Call(NamedTuple):
    """A command by HTTP; repeated under the same id until it is answered."""

    id: UUID
    command: Command


@dataclass(slots=True)
class Hand:
    """A fetched batch; `upto` is the next offset behind it, by partition, `terms` under which ownership."""

    deliveries: Sequence[Delivery]
    upto: dict[Place, int]
    terms: dict[Place, int]
    calls: list[Call]


@dataclass(slots=True)
class Share:
    """A partition of this service's group: who owns it and since which rebalance, what is fetched, what committed."""

    owner: int
    term: int = 0
    fetched: int = 0
    committed: int = 0


@dataclass(slots=True)
class Node:
    """One service. `handled` hears of every committed change, `crashed` of every batch that came to nothing."""

    service: Service
    broker: Broker
    rng: Random
    faults: Faults
    new_id: Callable[[], str]
    handled: Callable[["Node", Change], None]
    crashed: Callable[["Node", Sequence[Delivery], str], None]
    name: str = field(init=False)
    database: Database = field(init=False)
    shares: dict[Place, Share] = field(init=False)
    behind: dict[Place, None] = field(init=False, default_factory=dict)
    calls: list[Call] = field(init=False, default_factory=list)
    hands: dict[int, Hand] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.name = self.service.name
        self.database = Database(self.service, self.new_id)
        places = [(topic, partition) for topic in self.service.topics for partition in range(PARTITIONS)]
        self.shares = {place: Share(owner=n % self.faults.replicas) for n, place in enumerate(places)}
        for topic in self.service.topics:
            self.broker.listen(topic, self._grown)

    def next_due(self) -> datetime | None:
        """When its earliest timer falls due."""
        return self.database.next_due()

    def length(self, place: Place) -> int:
        """How many records a partition has."""
        return len(self.broker.logs[place])

    def busy(self, now: datetime) -> bool:
        """Whether there is anything to handle."""
        if self.behind or self.calls or self.hands:
            return True
        due = self.database.next_due()
        return due is not None and due <= now

    def work(self, now: datetime) -> None:
        """A replica fetches, or handles what it fetched before."""
        replica = self.rng.randrange(self.faults.replicas)
        if replica not in self.hands:
            hand = self._fetch(replica, now)
            if hand is None:
                return
            self.hands[replica] = hand
            if self.rng.random() < self.faults.linger:
                return
        self._handle(replica, now)

    def relay(self) -> None:
        """Outbox rows to their topics, in order; a crash leaves some sent and all of them in the outbox."""
        outbox = self.database.outbox
        rows = outbox[: self.rng.randint(1, len(outbox))]
        if self.rng.random() < self.faults.relay_crash:
            lanes: dict[Place, list[Record]] = {}
            for row in rows:
                lanes.setdefault((row.record.topic, partition_of(row.record.key)), []).append(row.record)
            for records in lanes.values():
                for record in records[: self.rng.randint(0, len(records))]:
                    self.publish(record)
            return
        for row in rows:
            self.publish(row.record)
        del outbox[: len(rows)]

    def publish(self, record: Record) -> None:
        """Writes one record, in binary or in structured mode."""
        topic, key, headers, value = record
        from_outside = self.name in ("payments", "carrier") and topic.endswith(".events.v1")
        if from_outside and self.rng.random() < self.faults.structured:
            value = msgspec.json.encode(to_structured(headers, value))
            headers = [("content-type", STRUCTURED.encode())]
        self.broker.append(topic, key, headers, value)

    def replay(self, lane: str, now: datetime) -> None:
        """An operator gives up what nobody can decode at the head of a parked key, and replays the rest."""
        parked = self.database.parked
        while lane in parked and parked[lane][0].delivery.item is None:
            self.database.discard(lane)
        if lane in parked:
            self.handled(self, self.database.replay(lane, now))

    def has_read(self, record: RawRecord) -> bool:
        """Whether this record is behind what the service has committed, or not for it."""
        share = self.shares.get((record.topic, record.partition))
        return share is None or share.committed > record.offset

    def rebalance(self) -> None:
        """Some partitions change hands; their new owners begin behind what was committed."""
        for share in self.shares.values():
            if self.rng.random() < 0.5:
                share.owner = self.rng.randrange(self.faults.replicas)
                share.term += 1
                share.fetched = share.committed
        self._look_behind()

    def _grown(self, place: Place) -> None:
        self.behind[place] = None

    def _look_behind(self) -> None:
        for place, share in self.shares.items():
            if share.fetched < len(self.broker.logs[place]):
                self.behind[place] = None

    def _fetch(self, replica: int, now: datetime) -> Hand | None:
        room = self.rng.randint(1, self.faults.batch_max)
        mine = [place for place in self.behind if self.shares[place].owner == replica]
        places = self.rng.sample(mine, self.rng.randint(1, min(len(mine), 4))) if mine else []
        upto: dict[Place, int] = {}
        records: list[RawRecord] = []
        for place in places:
            share, log = self.shares[place], self.broker.logs[place]
            records += log[share.fetched : share.fetched + room]
            upto[place] = share.fetched = min(share.fetched + room, len(log))
            if share.fetched == len(log):
                del self.behind[place]
        reader, calls = self.database.reader, self.calls[:room]
        groups = [[reader.record(record) for record in records]]
        groups += [[reader.command(call.id, call.command)] for call in calls]
        groups += [[timer(due) for due in self.database.due(now, room)]]
        self.rng.shuffle(groups)
        deliveries = [delivery for group in groups for delivery in group]
        return Hand(deliveries, upto, {place: self.shares[place].term for place in upto}, calls) if deliveries else None

    def _handle(self, replica: int, now: datetime) -> None:
        hand = self.hands.pop(replica)
        crash = self.rng.random()
        if crash < self.faults.crash_before_commit:
            self.database.roll_back(next(self._changes(hand.deliveries, now)))
            self._crash(replica, hand, "crashed before commit")
            return
        for change in self._changes(hand.deliveries, now):
            self.database.commit(change)
            self.handled(self, change)
        if crash < self.faults.crash_before_commit + self.faults.crash_after_commit:
            self._crash(replica, hand, "crashed before acknowledging")
            return
        for place, offset in hand.upto.items():
            share = self.shares[place]
            if share.term == hand.terms[place]:
                share.committed = max(share.committed, offset)
        answered = {call.id for call in hand.calls}
        self.calls = [call for call in self.calls if call.id not in answered]

    def _crash(self, replica: int, hand: Hand, how: str) -> None:
        self.crashed(self, hand.deliveries, how)
        for share in self.shares.values():
            if share.owner == replica:
                share.fetched = share.committed
        self._look_behind()

    def _changes(self, deliveries: Sequence[Delivery], now: datetime) -> Iterator[Change]:
        """The batch as one change, or in halves where the book refuses it, until what spoils it stands alone."""
        try:
            change = self.database.decide(deliveries, now)
        except LedgerError as error:
            if len(deliveries) > 1:
                middle = len(deliveries) // 2
                yield from self._changes(deliveries[:middle], now)
                yield from self._changes(deliveries[middle:], now)
                return
            deliveries[0].fault, deliveries[0].spoiled = error, True
            change = self.database.decide(deliveries, now)
        yield change
