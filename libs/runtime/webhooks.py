"""Events by webhook: what a provider without Kafka posts goes down the same path as what comes by Kafka.

`POST /webhooks` takes one CloudEvent in structured mode or a batch of them, of types this service handles, signed after
Standard Webhooks by a sender whose secret the service has (`runtime.signatures`), and only events of that sender's own.
There is no other way in: a service without secrets takes none. The age of a signature is measured in real time,
whatever clock the service follows.

A webhook that comes again is answered 204 as the first time, with `webhook-replayed: true`, and has no effect.
"""

import time

import structlog
from fastapi import APIRouter, Request, Response

from contracts.envelope import BATCH, MAX_BATCH_BYTES, STRUCTURED, Envelope, EnvelopeError, read_batch, read_structured
from contracts.message import is_command
from contracts.registry import REGISTRY
from runtime.decision import Refused
from runtime.delivery import NOWHERE, Delivery, Origin, RawRecord, Reader
from runtime.http import body_of
from runtime.signatures import Keys, Replays, Signed, is_signed, verify

log = structlog.get_logger()
router = APIRouter()

REPLAYED = {"webhook-replayed": "true"}


class Door:
    """Lets in what is signed by one of the senders."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.replays = Replays()

    async def admit(self, request: Request) -> tuple[Signed, bytes]:
        """The webhook and its body. Raises `Refused`: what `verify` raises, and too_large."""
        try:
            # What bears no signature, or cannot be verified, is not even read.
            body = (
                await body_of(request, MAX_BATCH_BYTES) if self._keys.by_sender and is_signed(request.headers) else b""
            )
            return verify(self._keys, request.headers, body, time.time()), body
        except Refused as refused:
            log.info("webhook_refused", code=refused.code)
            raise


@router.post("/webhooks")
async def receive(request: Request) -> Response:
    """All events of the body, in order, or none: 204 after COMMIT, a problem otherwise."""
    door: Door = request.app.state.door
    webhook, body = await door.admit(request)
    if door.replays.has(webhook, time.time()):
        return Response(status_code=204, headers=REPLAYED)
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media_type == BATCH:
            envelopes = read_batch(body)
        elif media_type == STRUCTURED:
            envelopes = [read_structured(body)]
        else:
            raise Refused("invalid_content_type", f"send {STRUCTURED} or {BATCH}")
    except EnvelopeError as error:
        raise Refused(f"invalid_{error.code}", error.text) from None
    reader = request.app.state.reader
    await request.app.state.deliver([_delivery(reader, envelope, webhook.sender) for envelope in envelopes])
    door.replays.add(webhook, time.time())
    return Response(status_code=204)


def _delivery(reader: Reader, envelope: Envelope, sender: str) -> Delivery:
    message_type = REGISTRY.get(envelope.type)
    if message_type is None or is_command(message_type.TOPIC):
        raise Refused("invalid_type", f"{envelope.type[:100]} is not an event that can come by webhook")
    if message_type.TOPIC.partition(".")[0] != sender:
        raise Refused("webhook_sender_forbidden", f"{envelope.type} is not an event of {sender}, who signed this")
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.id.encode()),
        ("ce_type", envelope.type.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_subject", envelope.subject.encode()),
        ("ce_correlationid", envelope.correlation_id.encode()),
        ("ce_causationid", envelope.causation_id.encode()),
        ("content-type", b"application/json"),
    )
    record = RawRecord(message_type.TOPIC, NOWHERE, NOWHERE, envelope.key.encode(), headers, envelope.data)
    delivery = reader.envelope(envelope, record, Origin.WEBHOOK)
    if delivery.fault:
        raise Refused("invalid_data", str(delivery.fault))
    return delivery
