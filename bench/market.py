"""What buyers, sellers, the payment provider, the carrier and a mediator do about the orders of one run.

An order is completed when the event that puts all of it at rest has been read here. Ids of answers are made of the id
of what is answered, so an answer given twice has its effect once.
"""

import json
from collections import Counter
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from bench import messages
from bench.histogram import Histogram
from bench.plan import Fate, Mix, buyer_id, fate, order, tally
from bench.wire import Wire
from contracts.partition import partition_of

TOPICS = (
    *("orders.events.v1", "escrow.events.v1", "disputes.events.v1"),
    *("payments.commands.v1", "carrier.commands.v1"),
)
SHORTEST_PAUSE, PAUSE_PER_LAG = 0.5, 2.0
"""Seconds between hearing that the money is secured and shipping, and before a step that came too early is tried again;
and how many times what orders lately took to answer, if that is longer. Sellers take hours; here they only give orders
the time to read the same event, so that hardly a step is refused for coming too early."""

Record = Any
Step = Callable[[bytes, int, bytes], None]
OUTCOMES = {Fate.CONFIRMED: "released", Fate.DISPUTED: "settled", Fate.UNSHIPPED: "refunded"}


class Unexpected(Exception):
    """The system did what the contract does not foresee. `code` is stable, the text says what came."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Market:
    """The outside world for the orders `first` … `first + count - 1` of one run."""

    def __init__(self, wire: Wire, mix: Mix, run: str, first: int, count: int) -> None:
        self._wire = wire
        self._mix = mix
        self._run = run
        self._prefix = f"{run}-".encode()
        self._first = first
        self.count = count
        self.placed = 0
        self.completed = 0
        self.overdue = 0
        """Orders that are secured and will never be shipped, and have not ended yet."""
        self.early = 0
        """Steps that came before their service knew enough, and were tried again."""
        self.outcomes: Counter[str] = Counter()
        self._now = 0.0
        self._ended = bytearray(count)
        self._secured = bytearray(count)
        self._later: list[tuple[float, bytes, int, bytes, Step]] = []
        self._lag = 0.0
        self._sent_at: dict[tuple[str, int], float] = {}
        self.latencies = {name: Histogram() for name in ("placed", "secured", "released", "whole", "disputed")}
        """Seconds from when a message was due to its effect: from PlaceOrder to OrderPlaced, from the provider's answer
        to FundsSecured, from ConfirmReceipt to FundsReleased, from PlaceOrder to the rest of a confirmed order, and
        from OpenDispute to DisputeOpened."""
        self._answers: dict[bytes, Callable[[Record, bytes], None]] = {
            b"orders.order_placed.v1": self._pay,
            b"payments.collect_payment.v1": self._collected,
            b"payments.refund_payment.v1": self._refunded,
            b"payments.pay_out.v1": self._paid_out,
            b"escrow.funds_secured.v1": self._funds_secured,
            b"carrier.track_parcel.v1": self._deliver,
            b"orders.order_delivered.v1": self._delivered,
            b"disputes.dispute_opened.v1": self._rule,
            b"escrow.lines_rested.v1": self._rested,
            b"escrow.funds_released.v1": self._released,
            b"orders.command_refused.v1": self._refused,
            b"disputes.command_refused.v1": self._refused,
        }

    @property
    def done(self) -> bool:
        return self.completed == self.count

    @property
    def moving(self) -> int:
        """Orders in flight that do not wait for the clock."""
        return self.placed - self.completed - self.overdue

    def place(self, count: int, at: float) -> None:
        """The next `count` orders, due at `at`."""
        for number in range(self.placed, self.placed + count):
            one = order(self._mix, self._run, self._first + number)
            key = one.order_id.encode()
            self._sent_at["placed", number] = at
            if one.fate is Fate.CONFIRMED:
                self._sent_at["whole", number] = at
            self._wire.add(
                "orders.commands.v1", partition_of(key), key, b"orders.place_order.v1", messages.new_id(),
                messages.place_order(one),
            )  # fmt: skip
        self.placed += count

    def hear(self, record: Record, now: float) -> None:
        """Takes in one event or command of the system and adds the world's answer."""
        headers = record.headers
        kind = headers[2][1] if headers[2][0] == "ce_type" else dict(headers)["ce_type"]
        answer = self._answers.get(kind)
        if answer is not None and record.key.startswith(self._prefix):
            id = headers[1][1] if headers[1][0] == "ce_id" else dict(headers)["ce_id"]
            self._now = now
            answer(record, messages.answer_id(id))

    def resume(self, now: float) -> None:
        """Adds what was put off until now."""
        while self._later and self._later[0][0] <= now:
            _, key, partition, id, step = heappop(self._later)
            step(key, partition, id)

    def check(self) -> None:
        """Raises `Unexpected` (wrong_outcomes) unless every order ended as its fate says."""
        fates = tally(self._mix, self.count, self._first)
        wanted = {OUTCOMES[one]: number for one, number in fates.items() if number}
        if dict(self.outcomes) != wanted:
            raise Unexpected("wrong_outcomes", f"{dict(self.outcomes)}, not {wanted}")

    # Buyers and sellers

    def _pay(self, record: Record, id: bytes) -> None:
        self._lag = self._measure("placed", self._number(record.key)) or self._lag
        value = messages.pay_order(self._buyer(record.key), record.key)
        self._wire.add("orders.commands.v1", record.partition, record.key, b"orders.pay_order.v1", id, value)

    def _funds_secured(self, record: Record, id: bytes) -> None:
        number = self._number(record.key)
        if self._secured[number]:
            return
        self._secured[number] = 1
        self._measure("secured", number)
        if self._fate(number) is Fate.UNSHIPPED:
            self.overdue += 1
        else:
            self._put_off(record.key, record.partition, id, self._ship)

    def _ship(self, key: bytes, partition: int, id: bytes) -> None:
        seller = order(self._mix, self._run, self._first + self._number(key)).seller_id.encode()
        self._wire.add(
            "orders.commands.v1", partition, key, b"orders.ship_order.v1", id, messages.ship_order(seller, key)
        )

    def _delivered(self, record: Record, id: bytes) -> None:
        number = self._number(record.key)
        if self._fate(number) is Fate.DISPUTED:
            self._dispute(record.key, record.partition, id)
            return
        self._sent_at["released", number] = self._now
        value = messages.confirm_receipt(self._buyer(record.key), record.key)
        self._wire.add("orders.commands.v1", record.partition, record.key, b"orders.confirm_receipt.v1", id, value)

    def _dispute(self, key: bytes, partition: int, id: bytes) -> None:
        self._sent_at.setdefault(("disputed", self._number(key)), self._now)
        dispute = self._prefix + b"d" + key[-8:]
        value = messages.open_dispute(self._buyer(key), dispute, self._prefix + key[-8:])
        place = partition_of(dispute)
        self._wire.add("disputes.commands.v1", place, dispute, b"disputes.open_dispute.v1", id, value)

    def _rule(self, record: Record, id: bytes) -> None:
        self._measure("disputed", self._number(record.key))
        value = messages.rule_dispute(record.key)
        self._wire.add("disputes.commands.v1", record.partition, record.key, b"disputes.rule_dispute.v1", id, value)

    # Provider and carrier

    def _collected(self, record: Record, id: bytes) -> None:
        self._sent_at["secured", self._number(record.key)] = self._now
        self._result(record, b"payments.payment_succeeded.v1", id)

    def _refunded(self, record: Record, id: bytes) -> None:
        self._result(record, b"payments.refund_succeeded.v1", id)

    def _paid_out(self, record: Record, id: bytes) -> None:
        self._result(record, b"payments.payout_succeeded.v1", id)

    def _result(self, record: Record, type: bytes, id: bytes) -> None:
        value = messages.provider_result(record.value)
        self._wire.add("payments.events.v1", record.partition, record.key, type, id, value)

    def _deliver(self, record: Record, id: bytes) -> None:
        value = messages.parcel_delivered(record.key, dict(record.headers)["ce_time"])
        self._wire.add("carrier.events.v1", record.partition, record.key, b"carrier.parcel_delivered.v1", id, value)

    # Ends

    def _released(self, record: Record, id: bytes) -> None:
        self._measure("released", self._number(record.key))

    def _rested(self, record: Record, id: bytes) -> None:
        if b'"order_at_rest":true' not in record.value:
            return
        number = self._number(record.key)
        if self._ended[number]:
            return
        self._ended[number] = 1
        self.completed += 1
        self._measure("whole", number)
        if self._fate(number) is Fate.UNSHIPPED:
            self.overdue -= 1
        self.outcomes[json.loads(record.value)["outcome"]] += 1

    def _refused(self, record: Record, id: bytes) -> None:
        told = json.loads(record.value)
        step = messages.TOO_EARLY.get((told["command_type"], told["code"]))
        if step is None:
            raise Unexpected("command_refused", record.value.decode())
        self.early += 1
        self._put_off(record.key, record.partition, id, self._ship if step == "ship" else self._dispute)

    def _put_off(self, key: bytes, partition: int, id: bytes, step: Step) -> None:
        pause = max(SHORTEST_PAUSE, PAUSE_PER_LAG * self._lag)
        heappush(self._later, (self._now + pause, key, partition, id, step))

    def _number(self, key: bytes) -> int:
        return int(key[-8:]) - self._first

    def _fate(self, number: int) -> Fate:
        return fate(self._mix, self._first + number)

    def _buyer(self, key: bytes) -> bytes:
        return buyer_id(int(key[-8:]) % self._mix.buyers).encode()

    def _measure(self, what: str, number: int) -> float | None:
        sent = self._sent_at.pop((what, number), None)
        if sent is None:
            return None
        self.latencies[what].add(self._now - sent)
        return self._now - sent
