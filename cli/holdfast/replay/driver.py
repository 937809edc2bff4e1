"""Tries what the file says was tried, in time order under the virtual clock, as other systems would: commands over
Kafka, confirmations, cancellations and cases over HTTP, deliveries through the carrier.

What the system refuses is counted, and the order goes on by its own rules. A parcel refused because the funds were not
secured yet is offered again as soon as they are; what the file says of it afterwards is shifted by as much.

Actions of different orders within `WINDOW` are issued one after another, the clock standing at each one's own moment,
and only then is waited until all is quiet; an order has at most one action in a window, and a window ends before the
next timer that was known when it began. So a timer set within a window fires at most `WINDOW` late.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from contracts.deposits import OpenDeposit, PayDeposit
from contracts.disputes import OpenDispute, RuleDispute
from contracts.envelope import Envelope, encode
from contracts.identity import OpenAccount
from contracts.message import Actor, Command, Role
from contracts.orders import CancelOrder, ConfirmReceipt, PaymentMethod, ShipOrder
from holdfast.addresses import Addresses
from holdfast.clockwork import Clockwork
from holdfast.replay.actions import Action, Deliver, actions_of, appeal_of
from holdfast.replay.reader import Plan
from holdfast.replay.watch import Watch
from runtime.ids import new_id

WINDOW = timedelta(hours=1)
REST_WITHIN = timedelta(days=200)
"""How long the clock runs on behind the last action until every order must rest."""
Progress = Callable[[str, int, int, datetime], None]
"""`progress(what, done, of, now)`."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was tried and refused."""

    order_id: str
    action: str
    code: str
    reason: str
    at: datetime


@dataclass(slots=True)
class Played:
    """What a replay came to."""

    tried: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)
    by_themselves: Counter[str] = field(default_factory=Counter)
    moments: dict[str, dict[str, datetime]] = field(default_factory=lambda: defaultdict(dict))
    offered_again: int = 0
    never_offered: int = 0
    began: datetime | None = None
    ended: datetime | None = None


class Driver:
    """One replay on one stack."""

    def __init__(self, addresses: Addresses, http: httpx.AsyncClient, watch: Watch, progress: Progress) -> None:
        self._services = addresses.services
        self._minter = addresses.minter()
        self._http = http
        self._watch = watch
        self._progress = progress
        self._clockwork = Clockwork(addresses)
        self._producer = AIOKafkaProducer(**addresses.kafka_client(), acks="all")
        self._queue: list[tuple[datetime, int, int, Action]] = []
        self._pushed = 0
        self._sent: dict[str, Action] = {}
        self._waiting_parcels: dict[str, Action] = {}
        self._held: dict[str, list[Action]] = defaultdict(list)
        self._plans: dict[str, Plan] = {}
        self.played = Played()

    async def play(self, plans: Sequence[Plan], *, strict: bool) -> Played:
        """Plays all plans to their end. The clock must not have passed the first of them."""
        await self._producer.start()
        try:
            self._plans = {plan.order_id: plan for plan in plans}
            for plan in plans:
                self._push(actions_of(plan))
            self.played.began = min((plan.placed_at for plan in plans), default=None)
            if not strict:
                await self._introduce(plans)
            await self._act()
            await self._come_to_rest()
            self.played.events = self._watch.types
            self.played.ended = self._clockwork.clock.now()
            self.played.never_offered = len(self._waiting_parcels)
            return self.played
        finally:
            self._clockwork.close()
            await self._producer.stop()

    def _push(self, actions: Iterable[Action]) -> None:
        for action in actions:
            self._pushed += 1
            heapq.heappush(self._queue, (action.at, action.step, self._pushed, action))

    async def _introduce(self, plans: Sequence[Plan]) -> None:
        """Sellers with an active deposit, and people with an account, before any of them is needed."""
        sellers = {plan.seller_id: plan for plan in reversed(plans)}
        people = {plan.seller_id: plan.seller_country for plan in plans}
        people |= {plan.buyer_id: plan.buyer_country for plan in plans}
        commands: list[Command] = []
        for id, country in people.items():
            role = Role.SELLER if id in sellers else Role.BUYER
            commands.append(OpenAccount(actor=Actor(id=id, role=role), person_id=id, country=country))
        for id, plan in sellers.items():
            seller = Actor(id=id, role=Role.SELLER)
            category = plan.lines[0].category
            commands.append(OpenDeposit(actor=seller, seller_id=id, category=category, country=plan.seller_country))
            commands.append(PayDeposit(actor=seller, seller_id=id, method=PaymentMethod.ALIPAY))
        for command in commands:
            await self._publish(command)
        end = self._clockwork.clock.now() + timedelta(minutes=1)
        due = await self._settle()
        while due is not None and due <= end:
            due = await self._advance(due)

    async def _act(self) -> None:
        total = len(self._queue)
        due = await self._settle()
        while self._queue:
            first = self._queue[0][0]
            if due is not None and due <= first:
                due = await self._advance(due)
                continue
            acted: set[str] = set()
            while self._queue and self._fits(self._queue[0][-1], first, due, acted):
                action = heapq.heappop(self._queue)[-1]
                acted.add(action.order_id)
                self._clockwork.clock.advance_to(max(action.at, self._clockwork.clock.now()))
                await self._try(action)
            due = await self._settle()
            total = max(total, self._pushed)
            self._progress("replaying", total - len(self._queue), total, self._clockwork.clock.now())

    @staticmethod
    def _fits(action: Action, first: datetime, due: datetime | None, acted: set[str]) -> bool:
        return action.at <= first + WINDOW and (due is None or action.at < due) and action.order_id not in acted

    async def _come_to_rest(self) -> None:
        end = self._clockwork.clock.now() + REST_WITHIN
        due = await self._settle()
        while due is not None and due <= end:
            self._progress("coming to rest", 0, 0, due)
            due = await self._advance(due)
            if self._queue:
                await self._act()
                due = await self._settle()

    async def _advance(self, moment: datetime) -> datetime | None:
        """To a moment before which nothing falls due, and until all is quiet again."""
        self._clockwork.clock.advance_to(max(self._clockwork.clock.now(), moment))
        return await self._settle()

    async def _settle(self) -> datetime | None:
        """Until all is quiet and nothing that was heard calls for an answer."""
        while True:
            due = await self._clockwork.settle()
            answered = False
            for envelope, data in await self._watch.take(self._clockwork.published):
                answered |= await self._hear(envelope, data)
            if not answered:
                return due

    async def _try(self, action: Action) -> None:
        id = action.order_id
        if id in self._waiting_parcels and not isinstance(action.what, CancelOrder | OpenDispute | RuleDispute):
            self._held[id].append(action)
            return
        self.played.tried[action.name] += 1
        if isinstance(action.what, Deliver):
            await self._post("carrier", f"/parcels/{id}/delivery", {}, Actor(id="carrier", role=Role.SERVICE), action)
        elif isinstance(action.what, ConfirmReceipt):
            await self._post("orders", f"/orders/{id}/receipt", {"lines": action.what.lines}, action.what.actor, action)
        elif isinstance(action.what, CancelOrder):
            body = {"reason": action.what.reason.value}
            await self._post("orders", f"/orders/{id}/cancellation", body, action.what.actor, action)
        elif isinstance(action.what, OpenDispute):
            body = action.what.model_dump(mode="json", exclude={"actor"}, exclude_none=True)
            await self._post("disputes", "/disputes", body, action.what.actor, action)
        elif isinstance(action.what, RuleDispute):
            body = action.what.model_dump(mode="json", include={"rulings"}, exclude_none=True)
            await self._post("disputes", f"/disputes/{action.what.dispute_id}/ruling", body, action.what.actor, action)
        else:
            self._sent[await self._publish(action.what)] = action

    async def _publish(self, command: Command) -> str:
        id = new_id()
        topic, key, headers, value = encode(
            command,
            id=id,
            source="replay",
            time=self._clockwork.clock.now(),
            correlation_id=command.key,
            causation_id="",
            sequence=0,
        )
        sent = await self._producer.send_and_wait(topic, value, key, headers=headers)
        place = f"{topic}/{sent.partition}"
        self._clockwork.published[place] = max(self._clockwork.published.get(place, 0), sent.offset + 1)
        return id

    async def _post(self, service: str, path: str, body: dict[str, Any], actor: Actor, action: Action) -> None:
        answer = await self._http.post(
            f"{self._services[service]}{path}", json=body, headers=self._minter.bearer(actor.role, actor.id)
        )
        if answer.status_code >= 500:
            answer.raise_for_status()
        if answer.status_code >= 400:
            problem = answer.json()
            self._refused(action, problem["code"], problem["detail"])

    def _refused(self, action: Action, code: str, reason: str) -> None:
        now = self._clockwork.clock.now()
        self.played.refusals.append(Refusal(action.order_id, action.name, code, reason, now))
        if isinstance(action.what, ShipOrder) and code == "funds_not_secured":
            self._waiting_parcels[action.order_id] = action

    async def _hear(self, envelope: Envelope, data: dict[str, Any]) -> bool:
        """Notes what the report tells, and does what people do on hearing it; True if that was something."""
        name = envelope.type.split(".")[1]
        order_id = data.get("order_id", "")
        if envelope.time and order_id in self._plans:
            self.played.moments[order_id].setdefault(name, envelope.time)
        if name == "command_refused":
            action = self._sent.get(data["command_id"])
            if action:
                self._refused(action, data["code"], data["reason"])
        elif name in ("refund_started", "funds_released"):
            self.played.by_themselves[f"{name}:{data['why']}"] += 1
        elif name in ("shipment_reminder_due", "receipt_reminder_due", "operator_needed", "dispute_not_admitted"):
            self.played.by_themselves[name] += 1
        elif name == "order_cancelled" and data["reason"] == "not_paid":
            self.played.by_themselves["order_cancelled:not_paid"] += 1
        elif name == "order_stopped" and order_id in self._plans:
            self._push(appeal_of(self._plans[order_id], self._clockwork.clock.now()))
        if name == "funds_secured" and order_id in self._waiting_parcels:
            await self._offer_again(order_id)
            return True
        return False

    async def _offer_again(self, order_id: str) -> None:
        parcel = self._waiting_parcels.pop(order_id)
        now = self._clockwork.clock.now()
        shift = max(now - parcel.at, timedelta())
        self.played.offered_again += 1
        await self._try(replace(parcel, at=now))
        held = self._held.pop(order_id, [])
        behind = [entry[-1] for entry in self._queue if entry[-1].order_id == order_id]
        self._queue = [entry for entry in self._queue if entry[-1].order_id != order_id]
        heapq.heapify(self._queue)
        self._push(replace(action, at=action.at + shift) for action in (*held, *behind))
