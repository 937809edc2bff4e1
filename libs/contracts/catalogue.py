"""The catalogue of events and commands for people to read: `docs/events.md`."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from types import ModuleType

from contracts.attributes import MAX_MESSAGE_BYTES
from contracts.examples import EXAMPLES
from contracts.message import PARTITIONS, Event, Message
from contracts.registry import PORTS, REGISTRY, SERVICES, messages_of
from contracts.schema import Schema, schema_of
from contracts.snapshots import value_of

_HEAD = f"""# Events and commands

Every message there is, by the service that owns it, with the services that read it. This file is generated from
`libs/contracts` and the services' tables (`python -m holdfast.documents`); the same for tools is in `asyncapi.json`.

A message is a CloudEvent 1.0 in a Kafka record: attributes in `ce_…` headers, the message as JSON in the value, at most
{MAX_MESSAGE_BYTES:,} bytes. Topics have {PARTITIONS} partitions; the record key is the id of what the message is about,
and messages with one key stay in order. Events say what happened, and anyone may read them. Commands ask for something,
and any system may send them: give each a new `ce_id` (a second message with it has no effect) and the `actor` who asks.
A command that is refused is answered by the owner's `command_refused`; nothing has changed then.

Amounts are whole minor units of their currency (cents of EUR, yen, fils of KWD). Times are RFC 3339 in UTC. A field
that is not required may be missing or null, which means the same. Pass over fields you do not know: within a version
fields and enum values are added, and nothing else changes.
"""


def catalogue(readers: Mapping[str, Collection[type[Message]]]) -> str:
    """The whole document, in Markdown. `readers` are the services, each with the messages it reads."""
    sections = [_HEAD, "\n".join(_contents())]
    sections += ["\n".join(_section(module, readers)) for module in (*SERVICES, *PORTS)]
    sections.append("\n".join(_parts_section()))
    return "\n".join(sections)


def _contents() -> Iterator[str]:
    yield "| owner | commands | events |"
    yield "|---|---|---|"
    for module in (*SERVICES, *PORTS):
        messages = messages_of(module)
        commands = " ".join(_link(m.CE_TYPE, m.__name__) for m in messages if not issubclass(m, Event))
        events = " ".join(_link(m.CE_TYPE, m.__name__) for m in messages if issubclass(m, Event))
        yield f"| {_link(_name(module), _name(module))} | {commands} | {events} |"
    yield ""


def _section(module: ModuleType, readers: Mapping[str, Collection[type[Message]]]) -> Iterator[str]:
    yield f"## {_name(module)}"
    yield ""
    yield (module.__doc__ or "").strip()
    yield ""
    for message in messages_of(module):
        yield from _message(message, [service for service, read in readers.items() if message in read])


def _message(message: type[Message], readers: Collection[str]) -> Iterator[str]:
    schema = schema_of(message)
    kind = "event" if issubclass(message, Event) else "command"
    yield f"### {message.CE_TYPE}"
    yield ""
    yield _prose(message.__doc__ or "")
    yield ""
    yield f"`{message.__name__}` · {kind} · topic `{message.TOPIC}` · key `{message.KEY}`"
    yield ""
    yield f"Read by {', '.join(readers) if readers else 'none of the services: it is for other systems'}."
    yield ""
    yield from _fields(schema, schema.get("$defs", {}))
    yield "```json"
    yield json.dumps(json.loads(value_of(EXAMPLES[message.CE_TYPE])), indent=2, ensure_ascii=False)
    yield "```"
    yield ""


def _fields(schema: Schema, parts: Mapping[str, Schema]) -> Iterator[str]:
    yield "| field | type | required | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        yield f"| `{name}` | {_type(field)} | {'yes' if name in required else 'no'} | {_meaning(field, parts)} |"
    yield ""


def _parts_section() -> Iterator[str]:
    parts: dict[str, Schema] = {}
    for message in REGISTRY.values():
        parts.update(schema_of(message).get("$defs", {}))
    yield "## Parts of messages"
    yield ""
    for name, part in sorted(parts.items()):
        yield f"### {name}"
        yield ""
        yield _prose(part.get("description", ""))
        yield ""
        if "properties" in part:
            yield from _fields(part, parts)
        else:
            yield "One of " + ", ".join(f"`{value}`" for value in _values(part)) + "."
            yield ""


def _type(field: Schema) -> str:
    if "$ref" in field:
        return _link(_part_name(field), _part_name(field))
    if "anyOf" in field:
        return " or ".join(_type(choice) for choice in field["anyOf"] if choice.get("type") != "null")
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return {"date-time": "time", "date": "date"}.get(field.get("format", ""), str(field["type"]))


def _meaning(field: Schema, parts: Mapping[str, Schema]) -> str:
    """What the schema says of a field besides its type; of a list or an optional field, what it says of the inside."""
    said = []
    for schema in [field, *field.get("anyOf", []), *([field["items"]] if "items" in field else [])]:
        if "$ref" in schema:
            part = parts[_part_name(schema)]
            said.append(_prose(part.get("description", "")).split(". ")[0].rstrip("."))
        said += [schema["description"]] if "description" in schema else []
        said += _limits(schema)
    return "; ".join(_prose(part) for part in said).replace("|", "\\|")


def _limits(field: Schema) -> Iterator[str]:
    if field.get("properties", {}).get("amount", {}).get("minimum") == 1:
        yield "more than zero"
    if field.get("type") == "integer" and field.get("description") != "whole minor units":
        least, most = field.get("minimum"), field.get("maximum")
        if least is not None:
            yield f"{least:,} to {most:,}" if most is not None else f"{least:,} or more"
    if field.get("type") == "array" and "maxItems" in field:
        yield f"{field.get('minItems', 0)} to {field['maxItems']}"
    if "maxLength" in field:
        yield f"at most {field['maxLength']} characters"
    if field.get("default") is not None:
        yield f"`{json.dumps(field['default'])}` if missing"


def _part_name(reference: Schema) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")


def _values(part: Schema) -> list[str]:
    return part["enum"] if "enum" in part else [part["const"]]


def _link(heading: str, text: str) -> str:
    return f"[{text}](#{re.sub(r'[^a-z0-9_ -]', '', heading.lower()).replace(' ', '-')})"


def _name(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[-1]


def _prose(text: str) -> str:
    return " ".join(text.split())
