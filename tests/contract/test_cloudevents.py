"""Our envelope and the CloudEvents project's own Kafka binding understand each other, attribute for attribute."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings import kafka
from cloudevents.core.bindings.kafka import KafkaMessage
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.envelope import Envelope, decode, encode, read, read_structured, to_structured
from contracts.examples import EXAMPLES
from contracts.registry import REGISTRY
from contracts.snapshots import value_of

ID = "0198c8f0-5d2e-7a11-8b3c-9d4e5f607182"
CAUSE = "0198c8ef-0000-7000-8000-000000000001"
TIME = datetime(2026, 3, 5, 1, 30, 0, 250000, tzinfo=UTC)


def ours(name: str) -> tuple[list[tuple[str, bytes]], bytes, bytes]:
    """A message as we send it."""
    _, key, headers, value = encode(
        EXAMPLES[name],
        id=ID,
        source="/holdfast/orders",
        time=TIME,
        correlation_id="ord-0198c5a1",
        causation_id=CAUSE,
        sequence=7,
        traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )
    return headers, key, value


def theirs(name: str) -> CloudEvent:
    """The same message as an event of the cloudevents package."""
    return CloudEvent(attributes(name), json.loads(value_of(EXAMPLES[name])))


def attributes(name: str) -> dict[str, Any]:
    key = EXAMPLES[name].key
    return {
        "specversion": "1.0",
        "id": ID,
        "type": name,
        "source": "/holdfast/orders",
        "time": TIME,
        "subject": key,
        "partitionkey": key,
        "correlationid": "ord-0198c5a1",
        "causationid": CAUSE,
        "sequence": "7",
        "datacontenttype": "application/json",
    }


def said(envelope: Envelope) -> dict[str, Any]:
    """What an envelope says, in the names of CloudEvents."""
    return {
        "specversion": "1.0",
        "id": envelope.id,
        "type": envelope.type,
        "source": envelope.source,
        "time": envelope.time,
        "subject": envelope.subject,
        "partitionkey": envelope.key,
        "correlationid": envelope.correlation_id,
        "causationid": envelope.causation_id,
        "sequence": str(envelope.sequence),
        "datacontenttype": "application/json",
    }


def record(message: KafkaMessage) -> tuple[list[tuple[str, bytes | None]], bytes | None, bytes]:
    key = message.key.encode() if isinstance(message.key, str) else message.key
    return list(message.headers.items()), key, message.value


@pytest.mark.parametrize("name", REGISTRY)
def test_it_reads_what_we_send(name: str) -> None:
    headers, key, value = ours(name)

    event = kafka.from_kafka_event(KafkaMessage(dict(headers), key, value))

    assert event.get_attributes() == attributes(name)
    assert event.get_data() == json.loads(value_of(EXAMPLES[name]))


@pytest.mark.parametrize("send", [kafka.to_binary_event, kafka.to_structured_event])
@pytest.mark.parametrize("name", REGISTRY)
def test_we_read_what_it_sends(name: str, send: Any) -> None:
    envelope = read(*record(send(theirs(name))))

    assert said(envelope) == attributes(name)
    assert decode(envelope, REGISTRY[name]) == EXAMPLES[name]


@pytest.mark.parametrize("send", [kafka.to_binary_event, kafka.to_structured_event])
def test_we_read_an_event_with_nothing_but_the_required_attributes(send: Any) -> None:
    name = "orders.place_order.v1"
    event = CloudEvent(
        {"type": name, "source": "/shop", "partitionkey": EXAMPLES[name].key}, json.loads(value_of(EXAMPLES[name]))
    )

    envelope = read(*record(send(event)))

    assert (envelope.id, envelope.time) == (event.get_id(), event.get_time())
    assert (envelope.subject, envelope.correlation_id, envelope.sequence) == ("", "", None)
    assert decode(envelope, REGISTRY[name]) == EXAMPLES[name]


def test_we_read_data_that_it_sends_as_bytes() -> None:
    name = "payments.payment_succeeded.v1"
    event = CloudEvent(attributes(name), value_of(EXAMPLES[name]))

    sent = kafka.to_structured_event(event)

    assert b"data_base64" in sent.value
    assert decode(read(*record(sent)), REGISTRY[name]) == EXAMPLES[name]


@pytest.mark.parametrize("name", REGISTRY)
def test_it_reads_our_webhooks_and_we_read_its(name: str) -> None:
    headers, _, value = ours(name)
    structured = to_structured(headers, value)

    event = JSONFormat().read(None, json.dumps(structured))
    envelope = read_structured(JSONFormat().write(theirs(name)))

    assert event.get_attributes() == attributes(name) | {"traceparent": structured["traceparent"]}
    assert event.get_data() == json.loads(value_of(EXAMPLES[name]))
    assert said(envelope) == attributes(name)


@pytest.mark.parametrize("name", REGISTRY)
def test_nothing_is_lost_on_the_way_through_it(name: str) -> None:
    headers, key, value = ours(name)
    first = read(list(headers), key, value)

    event = kafka.from_binary_event(KafkaMessage(dict(headers), key, value))
    again = read(*record(kafka.to_binary_event(event)))

    assert said(again) == said(first)
    assert decode(again, REGISTRY[name]) == decode(first, REGISTRY[name])
