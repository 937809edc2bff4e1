"""Results by webhook: what goes where, in what form, and that the receiving side of a service understands it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError

from contracts import carrier, payments
from contracts.envelope import BATCH, encode, read_batch, to_structured
from contracts.message import Event
from contracts.money import Money
from contracts.orders import PaymentMethod
from contracts.registry import messages_of
from deposits.service import SERVICE as DEPOSITS
from runtime import webhooks as receiving
from runtime.decision import Refused
from runtime.delivery import Delivery, Reader
from runtime.http import MAX_BODY_BYTES
from runtime.outbox import OutboxRow
from runtime.problems import on_refused
from runtime.signatures import Keys, key_of, keys_of, new_secret, verify
from simulators.faults import Faults
from simulators.forgeries import FORGERIES, Tally
from simulators.settings import SimulatorSettings
from simulators.webhooks import BATCH_EVENTS, WebhookFailed, WebhookSender, targets_of, webhooks
from tests.access import access

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
ADDRESSES = {name: f"http://{name}.test/webhooks" for name in ("orders", "escrow", "deposits")}
TEN = Money(amount=1000, currency="EUR")
SECRET = new_secret()
KEYS = (key_of(SECRET),)
SENDERS = keys_of(f"payments={SECRET}")
ids = count(1)


def row(event: Event) -> OutboxRow:
    id = next(ids)
    topic, key, headers, value = encode(
        event, id=f"id-{id}", source="/payments", time=NOW, correlation_id="o1", causation_id="c", sequence=id
    )
    return OutboxRow(id, topic, key, tuple(headers), value)


def paid(purpose: str = "order", reference: str = "o1") -> payments.PaymentSucceeded:
    return payments.PaymentSucceeded(
        operation_id=f"pay-{reference}-1",
        reference=reference,
        purpose=payments.Purpose(purpose),
        amount=TEN,
        method=PaymentMethod.ALIPAY,
    )


def refunded(id: str = "refund-o1-1") -> payments.RefundSucceeded:
    return payments.RefundSucceeded(operation_id=id, reference="o1", amount=TEN)


@dataclass
class Receivers:
    """What the services got; those in `down` answer 503, those in `cut` do not answer."""

    got: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    down: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host.partition(".")[0]
        if name in self.cut:
            raise httpx.ConnectError("connection refused", request=request)
        if name in self.down:
            return httpx.Response(503, text="try again")
        assert request.headers["content-type"] == BATCH
        verify(SENDERS, request.headers, request.content, time.time())
        self.bodies.append(request.content)
        self.got += [(name, envelope.id) for envelope in read_batch(request.content)]
        return httpx.Response(204)

    def of(self, name: str) -> list[str]:
        return [id for receiver, id in self.got if receiver == name]


@dataclass
class Elsewhere:
    """The sender of everything that does not go by webhook."""

    rows: list[OutboxRow] = field(default_factory=list)
    closed: bool = False

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        self.rows += rows

    async def close(self) -> None:
        self.closed = True


def names(rows: Sequence[OutboxRow]) -> list[str]:
    return [dict(row.headers)["ce_id"].decode() for row in rows]


async def test_each_event_goes_to_whom_it_concerns_in_order() -> None:
    receivers, kafka = Receivers(), Elsewhere()
    sender = WebhookSender(ADDRESSES, kafka, KEYS, receivers.client())
    to_orders, to_deposits, to_escrow, again = row(paid()), row(paid("deposit", "s1")), row(refunded()), row(paid())
    unknown = row(payments.OperationNotFound(operation_id="x", reference="o1"))
    await sender.send([to_orders, to_deposits, to_escrow, unknown, again])
    assert receivers.of("orders") == names([to_orders, unknown, again])
    assert receivers.of("deposits") == names([to_deposits, unknown])
    assert receivers.of("escrow") == names([to_escrow, unknown])
    assert kafka.rows == []
    await sender.close()
    assert kafka.closed


def test_every_event_of_the_ports_has_a_target() -> None:
    events = [one for port in (payments, carrier) for one in messages_of(port) if issubclass(one, Event)]
    for event in events:
        headers = (("ce_type", event.CE_TYPE.encode()),)
        value = b'{"purpose": "order", "operation_id": "refund-o1-1"}'
        targets = targets_of(OutboxRow(1, event.TOPIC, b"o1", headers, value))
        assert targets, event
        if event.__module__ == carrier.__name__:
            assert targets == ("orders",)
        if "Chargeback" in event.__name__ or "Refund" in event.__name__ or "Payout" in event.__name__:
            assert targets == ("escrow",)


def test_a_refund_of_money_that_paid_no_order_is_told_to_orders() -> None:
    assert targets_of(row(refunded("return-pay-o1-1-1"))) == ("orders",)
    assert targets_of(row(refunded("refund-o1-1"))) == ("escrow",)


async def test_dead_letters_and_services_without_address_go_elsewhere() -> None:
    receivers, kafka = Receivers(), Elsewhere()
    sender = WebhookSender({"orders": ADDRESSES["orders"]}, kafka, KEYS, receivers.client())
    letter = row(paid())._replace(topic="payments.dead_letters.v1")
    by_webhook, by_kafka = row(paid()), row(refunded())
    both = row(payments.OperationNotFound(operation_id="x", reference="o1"))
    await sender.send([letter, by_webhook, by_kafka, both])
    assert receivers.of("orders") == names([by_webhook, both])
    assert kafka.rows == [letter, by_kafka, both]


@pytest.mark.parametrize(("fault", "code"), [("down", "refused"), ("cut", "unreachable")])
async def test_a_failure_is_raised_and_sending_again_delivers_all(fault: str, code: str) -> None:
    receivers = Receivers()
    getattr(receivers, fault).add("escrow")
    sender = WebhookSender(ADDRESSES, Elsewhere(), KEYS, receivers.client())
    rows = [row(paid()), row(refunded()), row(refunded("refund-o1-2"))]
    with pytest.raises(WebhookFailed) as failed:
        await sender.send(rows)
    assert failed.value.code == code
    assert receivers.of("escrow") == []
    getattr(receivers, fault).clear()
    await sender.send(rows)
    assert receivers.of("escrow") == names(rows[1:])
    assert set(receivers.of("orders")) == set(names(rows[:1]))


async def test_a_redirect_is_a_failure() -> None:
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(302)))
    with pytest.raises(WebhookFailed):
        await WebhookSender(ADDRESSES, Elsewhere(), KEYS, client).send([row(paid())])


async def test_many_events_go_in_bodies_a_receiver_takes() -> None:
    receivers = Receivers()
    rows = [row(paid(reference="o" * 50)) for _ in range(2 * BATCH_EVENTS + 1)]
    assert BATCH_EVENTS * len(msgspec.json.encode(to_structured(rows[0].headers, rows[0].value))) > MAX_BODY_BYTES
    await WebhookSender(ADDRESSES, Elsewhere(), KEYS, receivers.client()).send(rows)
    assert receivers.of("orders") == names(rows)
    assert len(receivers.bodies) >= 3
    assert max(map(len, receivers.bodies)) <= MAX_BODY_BYTES


@dataclass
class Receiver:
    """The receiving side of deposits, with nothing behind it but a list; it believes `keys`."""

    keys: Keys = SENDERS
    delivered: list[Delivery] = field(default_factory=list)

    def client(self) -> httpx.AsyncClient:
        app = FastAPI()
        app.include_router(receiving.router)
        app.add_exception_handler(Refused, on_refused)
        app.state.reader, app.state.deliver = Reader(DEPOSITS), self._deliver
        app.state.door, app.state.access = receiving.Door(self.keys), access()
        return httpx.AsyncClient(transport=httpx.ASGITransport(app))

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        self.delivered += deliveries


async def test_the_receiving_side_of_a_service_reads_what_is_sent() -> None:
    receiver = Receiver()
    events = [paid("deposit", "s1"), payments.OperationNotFound(operation_id="deposit-s2-1", reference="s2")]
    rows = [row(event) for event in events]
    await WebhookSender({"deposits": ADDRESSES["deposits"]}, Elsewhere(), KEYS, receiver.client()).send(rows)
    items = [delivery.item for delivery in receiver.delivered if delivery.item]
    assert [item.message for item in items] == events
    assert [item.ref.id for item in items] == ["s1", "s2"]
    assert [item.cause for item in items] == names(rows)


async def test_it_believes_nothing_that_is_forged_and_counts_every_try() -> None:
    receiver, tally = Receiver(), Tally()
    faults = Faults("a", {"forge": 10_000})
    sender = WebhookSender(
        {"deposits": ADDRESSES["deposits"]}, Elsewhere(), KEYS, receiver.client(), faults=faults, tally=tally
    )
    sent = row(paid("deposit", "s1"))
    await sender.send([sent])
    assert [delivery.cause for delivery in receiver.delivered] == names([sent])
    once = dict.fromkeys(FORGERIES, 1)
    assert tally.told() == {"sent": {"sent": 1, **once}, "forgeries_refused": once, "forgeries_accepted": []}


async def test_a_receiver_that_believed_a_forgery_would_be_told_of() -> None:
    credulous = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    tally = Tally()
    faults = Faults("a", {"forge": 10_000})
    sender = WebhookSender(ADDRESSES, Elsewhere(), KEYS, credulous, faults=faults, tally=tally)
    await sender.send([row(paid())])
    assert tally.told()["forgeries_accepted"] == list(FORGERIES)


async def test_a_webhook_sent_twice_is_signed_twice_under_two_ids() -> None:
    receivers, tally = Receivers(), Tally()
    faults = Faults("a", {"duplicate": 10_000})
    sender = WebhookSender(ADDRESSES, Elsewhere(), KEYS, receivers.client(), faults=faults, tally=tally)
    rows = [row(paid()), row(paid(reference="o2"))]
    await sender.send(rows)
    assert receivers.of("orders") == names(rows) * 2
    assert tally.told()["sent"] == {"sent": 1, "duplicated": 1}


async def test_events_are_overtaken_and_none_is_lost() -> None:
    receivers, tally = Receivers(), Tally()
    faults = Faults("a", {"reorder": 3_000})
    sender = WebhookSender(ADDRESSES, Elsewhere(), KEYS, receivers.client(), faults=faults, tally=tally)
    rows = [row(paid(reference=f"o{number}")) for number in range(40)]
    await sender.send(rows)
    got = receivers.of("orders")
    assert got != names(rows) and sorted(got) == sorted(names(rows))
    moved = tally.told()["sent"]["reordered"]
    assert got[: 40 - moved] == [name for name in names(rows) if name in got[: 40 - moved]]


@pytest.mark.parametrize(
    ("senders", "status", "code"),
    [
        (f"payments={new_secret()}", 401, "webhook_forged"),
        (f"carrier={SECRET}", 403, "webhook_sender_forbidden"),
        ("", 503, "webhooks_not_configured"),
    ],
)
async def test_a_service_believes_a_sender_only_what_it_may_say(senders: str, status: int, code: str) -> None:
    receiver = Receiver(keys_of(senders))
    sender = WebhookSender({"deposits": ADDRESSES["deposits"]}, Elsewhere(), KEYS, receiver.client())
    with pytest.raises(WebhookFailed) as failed:
        await sender.send([row(paid("deposit", "s1"))])
    assert str(status) in str(failed.value) and code in str(failed.value)
    assert receiver.delivered == []


async def test_a_refusing_receiver_is_a_failure() -> None:
    app = FastAPI()

    @app.post("/webhooks")
    async def refuse(_: Request) -> Response:
        return Response("no", status_code=422)

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    with pytest.raises(WebhookFailed, match="422: no"):
        await WebhookSender(ADDRESSES, Elsewhere(), KEYS, client).send([row(paid())])


def test_settings_choose_webhooks_or_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Elsewhere()
    assert webhooks(SimulatorSettings())(None, kafka) is kafka  # type: ignore[arg-type]
    monkeypatch.setenv("HOLDFAST_WEBHOOK_ORDERS", "http://127.0.0.1:8201/webhooks")
    with pytest.raises(ValidationError, match="webhooks are signed"):
        SimulatorSettings()
    monkeypatch.setenv("HOLDFAST_WEBHOOK_SIGNING_SECRETS", SECRET)
    monkeypatch.setenv("HOLDFAST_CARRIER_DELIVERS_AFTER", "90.5")
    settings = SimulatorSettings()
    assert settings.delivery_time is not None
    assert settings.delivery_time.total_seconds() == 90.5
    assert isinstance(webhooks(settings)(None, kafka), WebhookSender)  # type: ignore[arg-type]


def test_money_that_orders_sends_back_is_told_to_orders() -> None:
    for id, target in (("return-pay-o1-1-1", "orders"), ("refund-o1-1-1", "escrow")):
        failed = payments.RefundFailed(operation_id=id, reference="o1", reason="account_closed")
        assert targets_of(row(refunded(id))) == targets_of(row(failed)) == (target,)
