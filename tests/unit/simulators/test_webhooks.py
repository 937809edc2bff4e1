"""Results by webhook: what goes where, in what form, and that the receiving side of a service understands it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import httpx
import msgspec
import pytest
from fastapi import FastAPI, Request, Response

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
from simulators.settings import SimulatorSettings
from simulators.webhooks import BATCH_EVENTS, WebhookFailed, WebhookSender, targets_of, webhooks

NOW = datetime(2025, 5, 17, 9, 30, tzinfo=UTC)
ADDRESSES = {name: f"http://{name}.test/webhooks" for name in ("orders", "escrow", "deposits")}
TEN = Money(amount=1000, currency="EUR")
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
    sender = WebhookSender(ADDRESSES, kafka, receivers.client())
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
    by_purpose = {payments.PaymentSucceeded, payments.PaymentDeclined}
    for event in events:
        headers = (("ce_type", event.CE_TYPE.encode()),)
        value = b'{"purpose": "order"}' if event in by_purpose else b"{}"
        targets = targets_of(OutboxRow(1, event.TOPIC, b"o1", headers, value))
        assert targets, event
        if event.__module__ == carrier.__name__:
            assert targets == ("orders",)
        if "Chargeback" in event.__name__ or "Refund" in event.__name__ or "Payout" in event.__name__:
            assert targets == ("escrow",)


async def test_dead_letters_and_services_without_address_go_elsewhere() -> None:
    receivers, kafka = Receivers(), Elsewhere()
    sender = WebhookSender({"orders": ADDRESSES["orders"]}, kafka, receivers.client())
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
    sender = WebhookSender(ADDRESSES, Elsewhere(), receivers.client())
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
        await WebhookSender(ADDRESSES, Elsewhere(), client).send([row(paid())])


async def test_many_events_go_in_bodies_a_receiver_takes() -> None:
    receivers = Receivers()
    rows = [row(paid(reference="o" * 50)) for _ in range(2 * BATCH_EVENTS + 1)]
    assert BATCH_EVENTS * len(msgspec.json.encode(to_structured(rows[0].headers, rows[0].value))) > MAX_BODY_BYTES
    await WebhookSender(ADDRESSES, Elsewhere(), receivers.client()).send(rows)
    assert receivers.of("orders") == names(rows)
    assert len(receivers.bodies) >= 3
    assert max(map(len, receivers.bodies)) <= MAX_BODY_BYTES


async def test_the_receiving_side_of_a_service_reads_what_is_sent() -> None:
    delivered: list[Delivery] = []

    async def deliver(deliveries: Sequence[Delivery]) -> None:
        delivered.extend(deliveries)

    app = FastAPI()
    app.include_router(receiving.router)
    app.add_exception_handler(Refused, on_refused)
    app.state.reader, app.state.deliver = Reader(DEPOSITS), deliver
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    events = [paid("deposit", "s1"), payments.OperationNotFound(operation_id="deposit-s2-1", reference="s2")]
    rows = [row(event) for event in events]
    await WebhookSender({"deposits": ADDRESSES["deposits"]}, Elsewhere(), client).send(rows)
    items = [delivery.item for delivery in delivered if delivery.item]
    assert [item.message for item in items] == events
    assert [item.ref.id for item in items] == ["s1", "s2"]
    assert [item.cause for item in items] == names(rows)


async def test_a_refusing_receiver_is_a_failure() -> None:
    app = FastAPI()

    @app.post("/webhooks")
    async def refuse(_: Request) -> Response:
        return Response("no", status_code=422)

    client = httpx.AsyncClient(transport=httpx.ASGITransport(app))
    with pytest.raises(WebhookFailed, match="422: no"):
        await WebhookSender(ADDRESSES, Elsewhere(), client).send([row(paid())])


def test_settings_choose_webhooks_or_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    kafka = Elsewhere()
    assert webhooks(SimulatorSettings())(None, kafka) is kafka  # type: ignore[arg-type]
    monkeypatch.setenv("HOLDFAST_WEBHOOK_ORDERS", "http://127.0.0.1:8201/webhooks")
    monkeypatch.setenv("HOLDFAST_CARRIER_DELIVERS_AFTER", "90.5")
    settings = SimulatorSettings()
    assert settings.delivery_time is not None
    assert settings.delivery_time.total_seconds() == 90.5
    assert isinstance(webhooks(settings)(None, kafka), WebhookSender)  # type: ignore[arg-type]
