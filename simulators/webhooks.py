"""Results as webhooks instead of Kafka records: CloudEvents in structured batches, signed, POSTed in order.

A batch that fails at any target is sent again whole by the relay, to all of them; receivers drop what they have seen.
With `Faults` the sender misbehaves beside that: it sends events behind later ones, webhooks twice, and forgeries.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

import httpx
import msgspec

from contracts import carrier, payments
from contracts.envelope import BATCH, to_structured
from contracts.message import Event, Refusal
from contracts.registry import messages_of
from runtime.http import MAX_BODY_BYTES
from runtime.outbox import OutboxRow
from runtime.relay import KafkaSender, Sender
from runtime.settings import Settings
from runtime.signatures import ID, sign
from simulators.faults import NONE, Faults
from simulators.forgeries import Tally, Webhook, forgeries
from simulators.settings import SimulatorSettings

ORDERS, ESCROW, DEPOSITS = "orders", "escrow", "deposits"
BATCH_EVENTS = 500
TIMEOUT_SECONDS = 15.0

_BY_PURPOSE = (payments.PaymentSucceeded, payments.PaymentDeclined)
_PURPOSE_TARGET = {payments.Purpose.ORDER: ORDERS, payments.Purpose.DEPOSIT: DEPOSITS}
# Whoever asked is not named in these, so all that ask hear them; the others pass them over, as they do over Kafka.
_TO_ALL_THAT_ASK = (payments.OperationNotFound, payments.CommandRefused)
_events = [
    message for port in (payments, carrier) for message in messages_of(port) if issubclass(message, Event | Refusal)
]
_TARGETS_BY_TYPE: Mapping[str, tuple[str, ...]] = {
    **{event.CE_TYPE: (ESCROW,) for event in _events if event.__module__ == payments.__name__},
    **{event.CE_TYPE: (ORDERS,) for event in _events if event.__module__ == carrier.__name__},
    **{event.CE_TYPE: (ORDERS, ESCROW, DEPOSITS) for event in _TO_ALL_THAT_ASK},
}
_REFUND_TYPES = frozenset(event.CE_TYPE for event in (payments.RefundSucceeded, payments.RefundFailed))
_PURPOSE_TYPES = frozenset(event.CE_TYPE for event in _BY_PURPOSE)


class WebhookFailed(Exception):
    """A target did not take a batch. `code`: unreachable, or refused (an answer other than 2xx)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Sending(NamedTuple):
    """An event on its way: its JSON, and a name by which faults find it in every run (its id is new in each)."""

    event: bytes
    name: str


class _Purpose(msgspec.Struct):
    purpose: payments.Purpose


class _Named(msgspec.Struct):
    operation_id: str


_read_purpose = msgspec.json.Decoder(_Purpose).decode
_read_name = msgspec.json.Decoder(_Named).decode


def targets_of(row: OutboxRow) -> tuple[str, ...]:
    """The services an event goes to; empty for what is not an event of a port, such as a dead letter."""
    if not row.topic.endswith(".events.v1"):
        return ()
    event_type = _type_of(row)
    if event_type in _PURPOSE_TYPES:
        return (_PURPOSE_TARGET[_read_purpose(row.value).purpose],)
    if event_type in _REFUND_TYPES and _read_name(row.value).operation_id.startswith(payments.RETURNS):
        return (ORDERS,)
    return _TARGETS_BY_TYPE.get(event_type, ())


def _type_of(row: OutboxRow) -> str:
    return next((value for name, value in row.headers if name == "ce_type"), b"").decode()


class WebhookSender:
    """Sends events of the ports to the addresses of their targets, signed with every one of `keys`, and all else by
    `otherwise`. What it does beside that, by `faults`, it counts in `tally`.

    A service without an address is not sent to by webhook: its events go by `otherwise`, whole.
    """

    def __init__(
        self,
        addresses: Mapping[str, str],
        otherwise: Sender,
        keys: Sequence[bytes],
        client: httpx.AsyncClient | None = None,
        faults: Faults = NONE,
        tally: Tally | None = None,
    ) -> None:
        self._addresses = addresses
        self._otherwise = otherwise
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._keys = keys
        self._faults = faults
        self._tally = tally if tally is not None else Tally()

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Delivers rows, in order to each target. Raises `WebhookFailed`, or what `otherwise` raises; then any of them
        may have arrived or not."""
        by_target: dict[str, list[Sending]] = {}
        rest: list[OutboxRow] = []
        for row in rows:
            targets = targets_of(row)
            by_webhook = [target for target in targets if target in self._addresses]
            if len(by_webhook) < len(targets) or not targets:
                rest.append(row)
            if by_webhook:
                event = msgspec.json.encode(to_structured(row.headers, row.value))
                sending = Sending(event, f"{_type_of(row)}/{sha256(row.value).hexdigest()}")
                for target in by_webhook:
                    by_target.setdefault(target, []).append(sending)
        if rest:
            await self._otherwise.send(rest)
        for target, sendings in by_target.items():
            for some in _batches(self._out_of_order(sendings)):
                await self._deliver(target, some)

    async def close(self) -> None:
        """Lets connections go."""
        await self._client.aclose()
        await self._otherwise.close()

    def _out_of_order(self, sendings: list[Sending]) -> list[Sending]:
        """As they are, but for those that are overtaken by all that follow them."""
        overtaken = [sending for sending in sendings[:-1] if self._faults.hits("reorder", sending.name)]
        if not overtaken:
            return sendings
        self._tally.count("reordered", len(overtaken))
        return [sending for sending in sendings if sending not in overtaken] + overtaken

    async def _deliver(self, target: str, some: Sequence[Sending]) -> None:
        body = b"[" + b",".join(sending.event for sending in some) + b"]"
        webhook = self._signed(f"msg_{sha256(target.encode() + body).hexdigest()[:32]}", body)
        address = self._addresses[target]
        answer = await self._post(address, webhook)
        if not answer.is_success:
            raise WebhookFailed("refused", f"{address} answered {answer.status_code}: {answer.text[:200]}")
        self._tally.count("sent")
        name = some[0].name
        if self._faults.hits("duplicate", name):
            await self._post_again(address, webhook)
        if self._faults.hits("forge", name):
            for forgery in forgeries(webhook, self._keys, int(time.time())):
                self._tally.note(forgery.kind, await self._try(address, forgery.webhook))

    async def _post_again(self, address: str, webhook: Webhook) -> None:
        """The same events in a webhook of their own, as a sender that forgot what it sent: no replay, a duplicate."""
        twin = self._signed(f"{webhook.headers[ID]}_again", webhook.body)
        answer = await self._try(address, twin)
        self._tally.count("duplicated" if answer is not None and answer.is_success else "duplicates_unheard")

    def _signed(self, id: str, body: bytes) -> Webhook:
        """Signed at the moment of sending: whoever sends it again signs it anew, under its old id."""
        return Webhook(sign(self._keys, id, int(time.time()), body), body)

    async def _post(self, address: str, webhook: Webhook) -> httpx.Response:
        try:
            return await self._client.post(
                address, content=webhook.body, headers={**webhook.headers, "content-type": BATCH}
            )
        except httpx.HTTPError as error:
            raise WebhookFailed("unreachable", f"{address}: {error!r}") from error

    async def _try(self, address: str, webhook: Webhook) -> httpx.Response | None:
        """The answer, or None: what is sent for mischief must not keep the rest waiting."""
        try:
            return await self._post(address, webhook)
        except WebhookFailed:
            return None


def _batches(sendings: Sequence[Sending]) -> list[list[Sending]]:
    """At most `BATCH_EVENTS` events each, as large as a receiver takes, in order."""
    batches: list[list[Sending]] = []
    size = 0
    for sending in sendings:
        if not batches or len(batches[-1]) == BATCH_EVENTS or size + len(sending.event) + 1 > MAX_BODY_BYTES:
            batches.append([])
            size = 2
        batches[-1].append(sending)
        size += len(sending.event) + 1
    return batches


def webhooks(settings: SimulatorSettings, tally: Tally | None = None) -> Callable[[Settings, KafkaSender], Sender]:
    """How a simulator makes its sender from the one to Kafka: the same where no address is set. Its mischief is counted
    in `tally`."""
    addresses = {
        service: str(address)
        for service, address in (
            (ORDERS, settings.webhook_orders),
            (ESCROW, settings.webhook_escrow),
            (DEPOSITS, settings.webhook_deposits),
        )
        if address
    }
    if not addresses:
        return lambda _, kafka: kafka
    keys, faults = settings.signing_keys, settings.misfortune
    return lambda _, kafka: WebhookSender(addresses, kafka, keys, faults=faults, tally=tally)
