"""Events by webhook: what a provider without Kafka posts goes down the same path as what comes by Kafka.

`POST /webhooks` takes one CloudEvent in structured mode or a batch of them, of types this service handles.
"""

from fastapi import APIRouter, Request, Response

from contracts.envelope import BATCH, MAX_BATCH_BYTES, STRUCTURED, Envelope, EnvelopeError, read_batch, read_structured
from contracts.message import is_command
from contracts.registry import REGISTRY
from runtime.decision import Refused
from runtime.delivery import NOWHERE, Delivery, Origin, RawRecord, Reader
from runtime.http import body_of

router = APIRouter()


@router.post("/webhooks")
async def receive(request: Request) -> Response:
    """All events of the body, in order, or none: 204 after COMMIT, a problem otherwise."""
    body = await body_of(request, MAX_BATCH_BYTES)
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
    await request.app.state.deliver([_delivery(request.app.state.reader, envelope) for envelope in envelopes])
    return Response(status_code=204)


def _delivery(reader: Reader, envelope: Envelope) -> Delivery:
    message_type = REGISTRY.get(envelope.type)
    if message_type is None or is_command(message_type.TOPIC):
        raise Refused("invalid_type", f"{envelope.type[:100]} is not an event that can come by webhook")
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
