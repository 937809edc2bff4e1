"""What comes in, before it is decided: a Kafka record, an HTTP command or a due timer, each as one `Delivery`.

Reading never raises. A record that cannot be read carries its `fault` and will park its key; a command that can be
read but not be obeyed carries its `refusal`; what is not for this service is `passed` over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from contracts.envelope import Envelope, EnvelopeError, InvalidData, decode, read
from contracts.message import Command, Message, is_command
from contracts.registry import REGISTRY, UPCASTS
from runtime.decision import Ref, Refused, Route, Service, TimeUp
from runtime.fold import Item
from runtime.inbox import inbox_id
from runtime.timers import DueTimer
from runtime.tracing import arrived

NOWHERE = -1
"""Partition and offset of what did not come from Kafka."""
TIMER_TOPIC = "timer"
NO_ID = UUID(int=0)
"""Id of what is passed over, which nothing remembers."""


LANE_CHARS = 200
"""A longer record key is shortened, with a digest, before it names a parked key."""


def _as_key(text: str) -> str:
    if len(text) > LANE_CHARS:
        text = f"{text[:LANE_CHARS]}#{sha256(text.encode()).hexdigest()[:16]}"
    return text.replace("\0", "\\0")


class Origin(StrEnum):
    """By which edge something came in."""

    KAFKA = "kafka"
    HTTP = "http"
    WEBHOOK = "webhook"
    TIMER = "timer"


KAFKA, HTTP = Origin.KAFKA, Origin.HTTP
"""Looked up once: an enum's member is slow to come by."""


class RawRecord(NamedTuple):
    """A Kafka record as it was received; whatever else comes in is given the same form, so that it can be parked."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    value: bytes | None
    timestamp: int = 0
    """Milliseconds since 1970, by whoever produced it or the broker; 0 for what did not come from Kafka."""

    @property
    def lane(self) -> str:
        """What to park when nothing else is known: the record's key, or this one record where it has none."""
        if self.key:
            return _as_key(self.key.decode(errors="backslashreplace"))
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(slots=True)
class Delivery:
    """One thing to handle. `item`, `refusal` or `fault` is set, or none where it is passed over. `lanes` are
    the keys behind which it waits when one of them is parked."""

    origin: Origin
    id: UUID
    record: RawRecord
    type: str
    item: Item | None = None
    refusal: Refused | None = None
    fault: Exception | None = None
    timer: DueTimer | None = None
    cause: str = ""
    lanes: tuple[str, ...] = ()
    spoiled: bool = False
    """The database refused to write its effect; `fault` is what it said."""
    trace: str = ""
    """The traceparent it came with."""
    request: bytes = b""
    """The digest of a command's body, where its answer is to be kept (see `idempotency.py`)."""

    @property
    def passed(self) -> bool:
        """Whether it is not for this service."""
        return self.item is None and self.refusal is None and self.fault is None

    @property
    def lane(self) -> str:
        """The key that is parked when this fails: the aggregate's id, or the record's key if it has none."""
        return self.item.ref.id if self.item else self.record.lane


class Reader:
    """Reads what comes in for one service."""

    def __init__(self, service: Service) -> None:
        self._routes: Mapping[type[Message], Route] = service.routes
        self._types: dict[str, type[Message]] = {message.CE_TYPE: message for message in (*service.routes, *UPCASTS)}
        self._event_topics = {topic for topic in service.topics if not is_command(topic)}
        self._for_others = {type.encode() for type in REGISTRY.keys() - self._types.keys()}

    def wanted(self, record: RawRecord) -> Delivery | None:
        """A Kafka record, whatever it holds, or None where it is not for this service."""
        headers = dict(record.headers)
        if self._passes_by(record, headers):
            return None
        delivery = self._read(record, headers)
        return delivery if delivery.item or not delivery.passed else None

    def record(self, record: RawRecord) -> Delivery:
        """A Kafka record, whatever it holds, also one that is not for this service."""
        headers = dict(record.headers)
        if self._passes_by(record, headers):
            return Delivery(Origin.KAFKA, NO_ID, record, "")
        return self._read(record, headers)

    def _read(self, record: RawRecord, headers: dict[str, bytes | None]) -> Delivery:
        try:
            envelope = read(record.headers, record.key, record.value, headers)
        except EnvelopeError as error:
            id = inbox_id(record.topic, f"{record.partition}/{record.offset}")
            return Delivery(Origin.KAFKA, id, record, "", fault=error, lanes=(record.lane,))
        return self.envelope(envelope, record)

    def _passes_by(self, record: RawRecord, headers: dict[str, bytes | None]) -> bool:
        """Whether it is an event that we know and have no use for. A good part of what a service is handed is, and one
        header tells."""
        return record.topic in self._event_topics and headers.get("ce_type") in self._for_others

    def envelope(self, envelope: Envelope, record: RawRecord, origin: Origin = KAFKA) -> Delivery:
        """A message whose envelope could be read. For a webhook, `record` is made of it."""
        id, cause, key = inbox_id(envelope.source, envelope.id), envelope.id, envelope.key
        # A record key that could be read is the envelope's.
        lane = key if record.key and len(key) <= LANE_CHARS else record.lane
        delivery = Delivery(
            origin, id, record, envelope.type, None, None, None, None, cause, (lane,), False, envelope.traceparent
        )
        message_type = self._types.get(envelope.type)
        if message_type is None:
            if is_command(record.topic):
                delivery.refusal = _unknown(envelope.type)
            return delivery
        try:
            message = decode(envelope, message_type)
        except InvalidData as error:
            if is_command(record.topic):
                delivery.refusal = Refused(error.code, error.text)
            else:
                delivery.fault = error
            return delivery
        try:
            self._route(delivery, message, envelope.correlation_id or message.key)
        except Exception as error:
            delivery.fault = error
        return delivery

    def command(self, id: UUID, command: Command, request: bytes = b"") -> Delivery:
        """A command that came by HTTP and was validated there; `request` is the digest of one with an id of its own."""
        record = RawRecord(command.TOPIC, NOWHERE, NOWHERE, command.key.encode(), (), None)
        delivery = Delivery(
            Origin.HTTP,
            id,
            record,
            command.CE_TYPE,
            cause=str(id),
            lanes=(record.lane,),
            trace=arrived(command.key),
            request=request,
        )
        self._route(delivery, command, command.key)
        return delivery

    def _route(self, delivery: Delivery, message: Message, correlation_id: str) -> None:
        route = self._routes.get(type(message))
        key = route.key(message) if route else None
        if route and key is not None:
            ref = Ref(route.aggregate, key)
            parks = delivery.origin is not HTTP
            delivery.item = Item(delivery.cause, ref, message, correlation_id, route.reads(message), parks)
            lane = delivery.lanes[0]
            if key != lane:
                delivery.lanes = (lane, key)


def _unknown(type: str) -> Refused:
    """A command that this service does not do."""
    if type in REGISTRY:
        return Refused("wrong_topic", f"{type} is not a command of this topic")
    return Refused("unknown_command", f"there is no command {type[:100]}")


def timer(due: DueTimer, correlation_id: str | None = None) -> Delivery:
    """A timer that fell due."""
    record = RawRecord(TIMER_TOPIC, NOWHERE, NOWHERE, due.ref.id.encode(), (), timer_value(due))
    item = Item(due.cause, due.ref, TimeUp(due.name, due.due_at), correlation_id or due.ref.id)
    id = inbox_id(TIMER_TOPIC, due.cause)
    return Delivery(
        Origin.TIMER, id, record, f"timer.{due.name}", item, timer=due, cause=due.cause, lanes=(due.ref.id,)
    )


def timer_value(due: DueTimer) -> bytes:
    """A timer as the bytes it is parked as."""
    return "\n".join((due.ref.aggregate, due.ref.id, due.name, due.due_at.isoformat())).encode()


def parse_timer(value: bytes) -> DueTimer:
    """Back from `timer_value`."""

    aggregate, id, name, due_at = value.decode().split("\n")
    return DueTimer(Ref(aggregate, id), name, datetime.fromisoformat(due_at))
