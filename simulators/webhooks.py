"""Results as webhooks instead of Kafka records: CloudEvents in structured batches, POSTed in order.

A batch that fails at any target is sent again whole by the relay, to all of them; receivers drop what they have seen.
"""

from collections.abc import Callable, Mapping, Sequence

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
_PURPOSE_TYPES = frozenset(event.CE_TYPE for event in _BY_PURPOSE)


class WebhookFailed(Exception):
    """A target did not take a batch. `code`: unreachable, or refused (an answer other than 2xx)."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _Purpose(msgspec.Struct):
    purpose: payments.Purpose


_read_purpose = msgspec.json.Decoder(_Purpose).decode


def targets_of(row: OutboxRow) -> tuple[str, ...]:
    """The services an event goes to; empty for what is not an event of a port, such as a dead letter."""
    if not row.topic.endswith(".events.v1"):
        return ()
    event_type = next((value for name, value in row.headers if name == "ce_type"), b"").decode()
    if event_type in _PURPOSE_TYPES:
        return (_PURPOSE_TARGET[_read_purpose(row.value).purpose],)
    return _TARGETS_BY_TYPE.get(event_type, ())


class WebhookSender:
    """Sends events of the ports to the addresses of their targets, and all else by `otherwise`.

    A service without an address is not sent to by webhook: its events go by `otherwise`, whole.
    """

    def __init__(
        self, addresses: Mapping[str, str], otherwise: Sender, client: httpx.AsyncClient | None = None
    ) -> None:
        self._addresses = addresses
        self._otherwise = otherwise
        self._client = client or httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)

    async def send(self, rows: Sequence[OutboxRow]) -> None:
        """Delivers rows, in order to each target. Raises `WebhookFailed`, or what `otherwise` raises; then any of them
        may have arrived or not."""
        by_target: dict[str, list[bytes]] = {}
        rest: list[OutboxRow] = []
        for row in rows:
            targets = targets_of(row)
            by_webhook = [target for target in targets if target in self._addresses]
            if len(by_webhook) < len(targets) or not targets:
                rest.append(row)
            if by_webhook:
                event = msgspec.json.encode(to_structured(row.headers, row.value))
                for target in by_webhook:
                    by_target.setdefault(target, []).append(event)
        if rest:
            await self._otherwise.send(rest)
        for target, events in by_target.items():
            for body in _batches(events):
                await self._post(self._addresses[target], body)

    async def close(self) -> None:
        """Lets connections go."""
        await self._client.aclose()
        await self._otherwise.close()

    async def _post(self, address: str, body: bytes) -> None:
        try:
            answer = await self._client.post(address, content=body, headers={"content-type": BATCH})
        except httpx.HTTPError as error:
            raise WebhookFailed("unreachable", f"{address}: {error!r}") from error
        if not answer.is_success:
            raise WebhookFailed("refused", f"{address} answered {answer.status_code}: {answer.text[:200]}")


def _batches(events: Sequence[bytes]) -> list[bytes]:
    """JSON arrays of at most `BATCH_EVENTS` events, as large as a receiver takes, in order."""
    batches: list[list[bytes]] = []
    size = 0
    for event in events:
        if not batches or len(batches[-1]) == BATCH_EVENTS or size + len(event) + 1 > MAX_BODY_BYTES:
            batches.append([])
            size = 2
        batches[-1].append(event)
        size += len(event) + 1
    return [b"[" + b",".join(batch) + b"]" for batch in batches]


def webhooks(settings: SimulatorSettings) -> Callable[[Settings, KafkaSender], Sender]:
    """How a simulator makes its sender from the one to Kafka: the same where no address is set."""
    addresses = {
        service: str(address)
        for service, address in (
            (ORDERS, settings.webhook_orders),
            (ESCROW, settings.webhook_escrow),
            (DEPOSITS, settings.webhook_deposits),
        )
        if address
    }
    return lambda _, kafka: WebhookSender(addresses, otherwise=kafka) if addresses else kafka
