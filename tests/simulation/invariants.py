"""What is true after every step of any world, whatever its services do: the path of messages, and the money.

I1 entries of every currency sum to zero · I2 a balance is the sum of its entries, and none is negative that must not
be · I3 of an order, no more leaves than came in, and a line's money goes to the seller at most once · I5 what was
committed to an outbox is in the topics, once, in order, and nothing else is · I6 versions have no gaps · I7 nothing has
its effect twice · I8 a state is legal and survives its JSON · P1 nothing is parked but what was planted · P2 a timer is
set for whatever waits.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.envelope import EnvelopeError, read
from ledger.naming import account_of, row_id
from ledger.places import FUNDED, NEVER_NEGATIVE_PLACES, place
from ledger.postings import NEVER_NEGATIVE, Account, Hold, Kind, Post, Transfer, Void
from runtime.decision import Ref
from runtime.delivery import Origin
from runtime.fold import Done, Failed, Refusal
from tests.simulation.broker import Place
from tests.simulation.database import Change, Leaving
from tests.simulation.node import Node
from tests.simulation.violation import Violation
from tests.simulation.world import World

Timers = Callable[[Any], Mapping[str, datetime | None]]
"""Of a state, the timers that must be set, by name: when each is due, or None where any time will do."""


class Path:
    """Messages: nothing lost, nothing doubled, nothing out of order, nothing parked."""

    def __init__(self, world: World, timers: Mapping[str, Timers]) -> None:
        self._world = world
        self._timers = timers
        self._effects: set[tuple[str, UUID]] = set()
        self._committed: dict[str, tuple[int, Leaving]] = {}
        self._arrived: set[str] = set()
        self._newest: dict[tuple[str, Ref, Place], tuple[int, str]] = {}
        self._read = 0

    def committed(self, node: Node, change: Change) -> None:
        self._nothing_parked(node, change)
        self._one_effect(node, change)
        self._no_gaps(node, change)
        self._timers_set(node, change)
        for leaving in change.leaving:
            self._committed[leaving.id] = len(self._committed), leaving

    def quiet(self) -> None:
        for node in self._world.nodes.values():
            due = node.next_due()
            if due is not None and due <= self._world.now:
                raise Violation("P2 timers", f"{node.name} has a timer due at {due}, and nothing happens")
        self._topics_hold_what_was_committed()

    def over(self) -> None:
        self.quiet()
        for node in self._world.nodes.values():
            if node.database.parked:
                raise Violation("P1 parked", f"{node.name} ends with parked keys {sorted(node.database.parked)}")
            behind = [place for place, share in node.shares.items() if share.committed < node.length(place)]
            if behind or node.calls or node.database.outbox or node.database.timers:
                raise Violation("I5 outbox", f"{node.name} ends with work undone: {behind} {node.calls}")

    def _nothing_parked(self, node: Node, change: Change) -> None:
        for letter in change.letters:
            if letter.lane not in self._world.planted:
                error = letter.delivery.fault or letter.error
                text = f"{node.name} parks {letter.delivery.type} of {letter.lane}: {letter.code}, {error}"
                raise Violation("P1 parked", text, letter.lane) from letter.delivery.fault
        for delivery, answer in zip(change.deliveries, change.answers, strict=True):
            if isinstance(answer, Failed):
                text = f"{node.name} fails at {delivery.type}: {answer.error!r}"
                raise Violation("P1 parked", text, delivery.lane) from answer.error

    def _one_effect(self, node: Node, change: Change) -> None:
        for delivery, answer in zip(change.deliveries, change.answers, strict=True):
            counts = isinstance(answer, Done) or (isinstance(answer, Refusal) and delivery.origin is not Origin.HTTP)
            if counts and delivery.timer is None:
                if (node.name, delivery.id) in self._effects:
                    raise Violation("I7 effects", f"{node.name} handles {delivery.cause} twice", delivery.lane)
                self._effects.add((node.name, delivery.id))

    def _no_gaps(self, node: Node, change: Change) -> None:
        versions = {ref: row.version for ref, row in change.before.items()}
        for delivery, answer in zip(change.deliveries, change.answers, strict=True):
            if delivery.item and isinstance(answer, Done):
                ref = delivery.item.ref
                before = versions.get(ref, 0)
                if not before <= answer.version <= before + 1:
                    raise Violation("I6 versions", f"{ref} goes from version {before} to {answer.version}", ref.id)
                versions[ref] = answer.version
        for ref, after in change.states.items():
            stored = node.database.rows[ref].version
            if not stored == after.version == versions[ref]:
                raise Violation("I6 versions", f"{ref} is stored as {stored}, decided as {versions[ref]}", ref.id)

    def _timers_set(self, node: Node, change: Change) -> None:
        for ref, after in change.states.items():
            expected = self._timers.get(ref.aggregate)
            if expected is None or ref.id in node.database.parked:
                continue
            for name, due_at in expected(after.state).items():
                found = node.database.timers.get((ref, name))
                if found is None or due_at not in (None, found):
                    text = f"{ref} waits for its timer {name!r} at {due_at}, which is set to {found}"
                    raise Violation("P2 timers", text, ref.id)

    def _topics_hold_what_was_committed(self) -> None:
        history = self._world.broker.history
        for record in history[self._read :]:
            try:
                envelope = read(record.headers, record.key, record.value)
            except EnvelopeError:
                continue
            if envelope.id in self._world.told or envelope.id in self._arrived:
                continue
            self._arrived.add(envelope.id)
            if envelope.id not in self._committed:
                text = f"{envelope.id} {envelope.type} was published and never committed"
                raise Violation("I5 outbox", text, envelope.key)
            self._in_order(envelope.source, (record.topic, record.partition), *self._committed[envelope.id])
        self._read = len(history)
        outboxes = any(node.database.outbox for node in self._world.nodes.values())
        if not outboxes and len(self._arrived) < len(self._committed):
            for id in self._committed.keys() - self._arrived:
                lost = self._committed[id][1].record
                text = f"{id} {dict(lost.headers)['ce_type'].decode()} was committed and never arrived"
                raise Violation("I5 outbox", text, lost.key.decode())

    def _in_order(self, source: str, place: Place, number: int, leaving: Leaving) -> None:
        lane = source, leaving.ref, place
        newest, id = self._newest.get(lane, (-1, ""))
        if number < newest:
            raise Violation("I5 outbox", f"{leaving.id} of {leaving.ref} arrived behind {id}, which came later")
        self._newest[lane] = number, leaving.id


class Money:
    """The books, counted again from the postings as they are committed."""

    def __init__(self) -> None:
        self._balances: dict[tuple[str, str], int] = defaultdict(int)
        self._sums: dict[tuple[str, str], int] = defaultdict(int)
        self._lies: dict[tuple[str, str, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._holds: dict[tuple[str, str], Hold] = {}
        self._released: dict[tuple[str, Account], int] = defaultdict(int)
        self._seen: dict[tuple[str, str], int] = defaultdict(int)

    def committed(self, node: Node, change: Change) -> None:
        touched: dict[str, str] = {}
        for _, posting in change.postings:
            transfer = self._transfer_of(node.name, posting)
            if transfer is not None:
                for row, order_id in self._count(node.name, transfer):
                    touched[row] = order_id
        for row, order_id in touched.items():
            self._row_is_right(node, row, order_id)
        for currency in {account_of(row).currency for row in touched}:
            if self._sums[node.name, currency]:
                text = f"{node.name}: entries in {currency} sum to {self._sums[node.name, currency]}"
                raise Violation("I1 zero sum", text)
        for name, order_id, currency in {(node.name, id, account_of(row).currency) for row, id in touched.items()}:
            self._order_adds_up(name, order_id, currency)

    def quiet(self) -> None:
        pass

    def over(self) -> None:
        pass

    def lies(self, node: str, order_id: str, currency: str) -> Mapping[str, int]:
        """Where an order's money is: place → minor units; what came in under `FUNDED`, positive."""
        return {
            where: -amount if where == FUNDED else amount
            for where, amount in self._lies[node, order_id, currency].items()
        }

    def currencies(self, node: str, order_id: str) -> set[str]:
        """The currencies in which something was booked for an order."""
        return {currency for name, id, currency in self._lies if (name, id) == (node, order_id)}

    def _transfer_of(self, name: str, posting: Any) -> Transfer | None:
        match posting:
            case Transfer():
                return posting
            case Hold():
                self._holds[name, posting.id] = posting
            case Post(hold_id, amount):
                hold = self._holds[name, hold_id]
                return Transfer(hold_id, hold.debit, hold.credit, amount or hold.amount, hold.purpose, hold.order_id)
            case Void():
                pass
        return None

    def _count(self, name: str, transfer: Transfer) -> list[tuple[str, str]]:
        debit, credit, order_id = transfer.debit, transfer.credit, transfer.order_id
        rows = row_id(debit, order_id), row_id(credit, order_id)
        for row, sign in zip(rows, (-1, 1), strict=True):
            self._balances[name, row] += sign * transfer.amount
        lies = self._lies[name, order_id, debit.currency]
        lies[place(credit.kind, debit.kind, credited=True)] += transfer.amount
        lies[place(debit.kind, credit.kind, credited=False)] -= transfer.amount
        for hold, other, sign in ((debit, credit, 1), (credit, debit, -1)):
            if hold.kind is Kind.HOLD and other.kind in (Kind.PAYABLE, Kind.FX):
                self._released[name, hold] += sign
                if self._released[name, hold] > 1:
                    raise Violation("I3 order's money", f"{hold.owner} is released twice, by {transfer.id}", order_id)
        return [(row, order_id) for row in rows]

    def _row_is_right(self, node: Node, row: str, order_id: str) -> None:
        assert node.database.book is not None
        counters, counted = node.database.book.row(row), self._balances[node.name, row]
        if counters.balance != counted:
            text = f"{node.name}: {row} shows {counters.balance}, its entries sum to {counted}"
            raise Violation("I2 balance", text, order_id)
        account = account_of(row)
        if account.kind in NEVER_NEGATIVE and counters.available < 0:
            raise Violation("I2 balance", f"{node.name}: {row} stands at {counters.available}", order_id)
        self._sums[node.name, account.currency] += counters.balance - self._seen[node.name, row]
        self._seen[node.name, row] = counters.balance

    def _order_adds_up(self, name: str, order_id: str, currency: str) -> None:
        lies = self.lies(name, order_id, currency)
        for where in NEVER_NEGATIVE_PLACES & lies.keys():
            if lies[where] < 0:
                raise Violation("I3 order's money", f"{order_id} has {lies[where]} {currency} {where}", order_id)
        funded = lies.get(FUNDED, 0)
        if funded and lies.get("refunded", 0) + lies.get("refund_in_transit", 0) > funded:
            raise Violation("I3 order's money", f"{order_id} refunds more {currency} than was funded: {lies}", order_id)
