"""`holdfast events tail` and `publish`: messages as they pass, and messages of one's own."""

import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from pydantic import ValidationError
from rich.text import Text

from contracts.envelope import EnvelopeError, encode, read
from contracts.message import Message
from contracts.registry import REGISTRY
from holdfast.addresses import Addresses, find
from holdfast.interrupts import run
from holdfast.now import now_of
from holdfast.terminal import FolderOption, JsonOption, console, fail
from holdfast.token import actor_of
from holdfast.topics import ALL, places, started
from runtime.ids import new_id

SOURCE = "holdfast-command-line"
"""What messages that are published here name as their source."""
POLL_MS = 500
SHOWN = 160
"""Characters of a message's data in a line."""


class Met(NamedTuple):
    """A record as it is shown. `fault` says why it is no message of ours; times are those of the message, virtual where
    the stack's clock is."""

    topic: str
    partition: int
    offset: int
    time: str
    type: str
    key: str
    source: str
    id: str
    correlation_id: str
    data: Any
    fault: str


def tail(
    topics: Annotated[list[str] | None, typer.Argument(metavar="[TOPIC]…", help="All if none is given.")] = None,
    type: Annotated[str, typer.Option("--type", help="Only this type; * stands for anything.")] = "*",
    key: Annotated[str | None, typer.Option("--key", help="Only this key: the id of what a message is about.")] = None,
    order: Annotated[str | None, typer.Option("--order", help="Only what one order set in motion, by its id.")] = None,
    since: Annotated[str, typer.Option("--from", help="latest, earliest, or an ISO 8601 time (real).")] = "latest",
    most: Annotated[int | None, typer.Option("--max", min=1, help="End after so many.")] = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print messages as they pass, until Ctrl-C. Example: holdfast events tail orders.events.v1 --from earliest"""
    if unknown := [topic for topic in topics or () if topic not in ALL]:
        fail(f"there is no topic {unknown[0]!r}; `holdfast flows` lists them")
    addresses, start = find(folder), _start(since)

    async def follow() -> None:
        left = most
        async with aclosing(records(addresses, topics or ALL, start)) as passing:
            async for record in passing:
                one = met(record)
                if not wanted(one, type, key, order):
                    continue
                print(json.dumps(one._asdict())) if as_json else console.print(line(one), soft_wrap=True)
                left = left - 1 if left else None
                if left == 0:
                    return

    run(follow())


def _start(text: str) -> datetime | str:
    if text in ("latest", "earliest"):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is neither latest, earliest nor an ISO 8601 time")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def records(
    addresses: Addresses, topics: Sequence[str], start: datetime | str
) -> AsyncGenerator[ConsumerRecord[Any, Any], None]:
    """Records of these topics from `start` on, for ever."""
    consumer = AIOKafkaConsumer(**addresses.kafka_client(), enable_auto_commit=False)
    try:
        await started(consumer)
        every = places(consumer, topics)
        consumer.assign(every)
        if start == "earliest":
            await consumer.seek_to_beginning(*every)
        else:
            await consumer.seek_to_end(*every)
        if isinstance(start, datetime):
            at = int(start.timestamp() * 1000)
            for place, found in (await consumer.offsets_for_times(dict.fromkeys(every, at))).items():
                if found:
                    consumer.seek(place, found.offset)
        while True:
            batch = await consumer.getmany(timeout_ms=POLL_MS)
            for record in sorted((one for some in batch.values() for one in some), key=lambda one: one.timestamp):
                yield record
    finally:
        await consumer.stop()


def met(record: ConsumerRecord[Any, Any]) -> Met:
    """A record, whatever it holds. Pure."""
    place = (record.topic, record.partition, record.offset)
    key = (record.key or b"").decode(errors="backslashreplace")
    try:
        told = read(record.headers, record.key, record.value)
    except EnvelopeError as error:
        value = (record.value or b"").decode(errors="backslashreplace")
        return Met(*place, "", "", key, "", "", "", value, f"{error.code}: {error.text}")
    try:
        data = json.loads(told.data)
    except ValueError:
        data = told.data.decode(errors="backslashreplace")
    time = told.time.isoformat() if told.time else ""
    return Met(*place, time, told.type, told.key, told.source, told.id, told.correlation_id, data, "")


def wanted(one: Met, type: str, key: str | None, order: str | None) -> bool:
    """Whether it passes the filters. What is no message has no type, and passes only where none is asked for. Pure."""
    if not fnmatchcase(one.type, type) or (key is not None and one.key != key):
        return False
    if order is None:
        return True
    about = one.data.get("order_id") if isinstance(one.data, dict) else None
    return order in (one.key, one.correlation_id, about)


def line(one: Met) -> Text:
    """One line of a record."""
    place = f"{one.topic}/{one.partition}@{one.offset}"
    if one.fault:
        return Text(f"{'no message':<26} {place}  {one.fault}: {str(one.data)[:SHOWN]!r}", style="red")
    data = json.dumps(one.data, ensure_ascii=False)
    short = data if len(data) <= SHOWN else f"{data[:SHOWN]}…"
    return Text.assemble(f"{one.time[:26]:<26} ", (one.type, "bold"), f" {one.key}  {short}  ", (place, "dim"))


def publish(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="As `holdfast events types` lists them.")],
    data: Annotated[str, typer.Option("--data", help="The message as JSON; @FILE reads it, - takes the input.")] = "{}",
    actor: Annotated[
        str | None, typer.Option("--as", metavar="ROLE:ID", help="Who asks, for a command: buyer:b-1.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check it and print it, and send nothing.")] = False,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a message against its contract and publish it.
    Example: holdfast events publish orders.confirm_receipt.v1 --as buyer:b-1 --data '{"order_id": "o-1"}'"""
    message = checked(type, _json(_content(data)), actor)
    addresses = None if dry_run else find(folder)
    topic, key, headers, value = encode(
        message, id=new_id(), source=SOURCE, time=now_of(addresses) if addresses else datetime.now(UTC),
        correlation_id=message.key, causation_id="", sequence=0,
    )  # fmt: skip
    told: dict[str, Any] = {"topic": topic, "key": message.key, "type": type}
    told["id"] = next(content.decode() for name, content in headers if name == "ce_id")
    if addresses:
        told["partition"], told["offset"] = run(_send(addresses, topic, key, headers, value))
    if as_json:
        print(json.dumps(told | {"data": json.loads(value)}))
    elif dry_run:
        console.print(Text(f"fits its contract; to {topic}: {value.decode()}"))
    else:
        console.print(
            Text(f"published as {told['id']}: {topic}, partition {told['partition']}, offset {told['offset']}")
        )


def checked(type: str, fields: dict[str, Any], actor: str | None) -> Message:
    """The message; fails with every field that is not as its contract says."""
    if type not in REGISTRY:
        fail(f"there is no message type {type!r}; `holdfast events types` lists them")
    if actor is not None:
        roles, id = actor_of(actor)
        if len(roles) != 1:
            fail("--as takes one role")
        fields = fields | {"actor": {"role": roles[0], "id": id}}
    try:
        return REGISTRY[type].model_validate_json(json.dumps(fields))
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, detail['loc'])) or 'the message'}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        fail(f"{type}: {'; '.join(said)}; `holdfast events types {type}` shows its schema")


def _content(data: str) -> str:
    if data == "-":
        return sys.stdin.read()
    if not data.startswith("@"):
        return data
    try:
        return Path(data[1:]).read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{data[1:]} cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        fail(f"{data[1:]} is not UTF-8 text")


def _json(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        fail('the data is no JSON object, such as {"order_id": "o-1"}')
    return fields


async def _send(
    addresses: Addresses, topic: str, key: bytes, headers: list[tuple[str, bytes]], value: bytes
) -> tuple[int, int]:
    """Partition and offset."""
    producer = AIOKafkaProducer(**addresses.kafka_client(), acks="all")
    try:
        await producer.start()
        sent = await producer.send_and_wait(topic, value, key, headers=headers)
    finally:
        await producer.stop()
    return int(sent.partition), int(sent.offset)
