"""The AsyncAPI 3 document of all messages, for other systems and their tools: `docs/asyncapi.json`.

Channels are the topics. An operation is one service sending to or receiving from one topic. That a service sends its
own events and receives its own commands follows from the contracts; what else it sends and receives only the services
know, and a caller who knows them says it (`sends`, `receives`: service → messages).
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from contracts.attributes import JSON, MAX_ATTRIBUTE_CHARS, MAX_MESSAGE_BYTES
from contracts.examples import EXAMPLES
from contracts.message import PARTITIONS, Event, Message, is_command
from contracts.registry import PORTS, REGISTRY, SERVICES, TOPICS
from contracts.schema import Schema, schema_of
from contracts.snapshots import value_of

CONTRACTS_VERSION = "1.0.0"
KAFKA_BINDING = "0.5.0"

Uses = Mapping[str, Collection[type[Message]]]


def asyncapi(sends: Uses | None = None, receives: Uses | None = None) -> dict[str, Any]:
    """The document, as a JSON object. `sends` and `receives` add to what the contracts themselves say."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast",
            "version": CONTRACTS_VERSION,
            "description": "Buyer protection for a marketplace: orders, escrow, deposits, disputes and identity. "
            "Messages are CloudEvents 1.0 in the Kafka binding, binary mode; structured mode is accepted on input. "
            f"A value has at most {MAX_MESSAGE_BYTES} bytes. Readers pass over fields they do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "The Kafka cluster of the installation.",
                "variables": {"bootstrap": {"description": "host:port of any broker", "default": "localhost:9092"}},
            }
        },
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": _operations(sends or {}, receives or {}),
        "components": {
            "messages": {name: _message(message) for name, message in REGISTRY.items()},
            "schemas": {"cloudevent_headers": _HEADERS, **_schemas()},
            "correlationIds": {
                "case": {
                    "description": "The order or dispute that the message belongs to.",
                    "location": "$message.header#/ce_correlationid",
                }
            },
        },
    }


def text(document: Mapping[str, Any]) -> str:
    """The document as it is stored."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _channel(topic: str) -> dict[str, Any]:
    owner = topic.split(".")[0]
    kind = "Commands that other systems and services send to" if is_command(topic) else "Events of"
    return {
        "address": topic,
        "description": f"{kind} {owner}. Records with the same key stay in order.",
        "servers": [_ref("servers", "kafka")],
        "messages": {name: _ref("components", "messages", name) for name, m in REGISTRY.items() if topic == m.TOPIC},
        "bindings": {"kafka": {"topic": topic, "partitions": PARTITIONS, "bindingVersion": KAFKA_BINDING}},
    }


def _operations(sends: Uses, receives: Uses) -> dict[str, Any]:
    uses: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for module in (*SERVICES, *PORTS):
        owner = module.__name__.rsplit(".", 1)[-1]
        for message in REGISTRY.values():
            if message.__module__ == module.__name__:
                uses[owner, "send" if issubclass(message, Event) else "receive", message.TOPIC].add(message.CE_TYPE)
    for action, table in (("send", sends), ("receive", receives)):
        for service, messages in table.items():
            for message in messages:
                uses[service, action, message.TOPIC].add(message.CE_TYPE)
    return {
        f"{service}.{action}.{topic}": {
            "action": action,
            "summary": f"{service} {action}s {'commands' if is_command(topic) else 'events'} of {topic.split('.')[0]}",
            "channel": _ref("channels", topic),
            "tags": [{"name": service}],
            "messages": [_ref("channels", topic, "messages", name) for name in REGISTRY if name in names],
        }
        for (service, action, topic), names in sorted(uses.items())
    }


def _message(message: type[Message]) -> dict[str, Any]:
    return {
        "name": message.CE_TYPE,
        "title": message.__name__,
        "summary": " ".join((message.__doc__ or "").split()),
        "contentType": JSON,
        "headers": {
            "allOf": [
                _ref("components", "schemas", "cloudevent_headers"),
                {"type": "object", "properties": {"ce_type": {"const": message.CE_TYPE}}},
            ]
        },
        "payload": _ref("components", "schemas", message.CE_TYPE),
        "correlationId": _ref("components", "correlationIds", "case"),
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": f"the message's {message.KEY}"},
                "bindingVersion": KAFKA_BINDING,
            }
        },
        "examples": [{"name": "example", "payload": json.loads(value_of(EXAMPLES[message.CE_TYPE]))}],
    }


def _schemas() -> dict[str, Schema]:
    """The payload of every message by its `ce_type`, and the parts they share by their names.

    Raises `ValueError` when two parts of one name differ.
    """
    payloads: dict[str, Schema] = {}
    parts: dict[str, Schema] = {}
    for message in REGISTRY.values():
        schema = {name: value for name, value in schema_of(message).items() if name not in ("$schema", "$id")}
        for name, part in schema.pop("$defs", {}).items():
            if parts.setdefault(name, part) != part:
                raise ValueError(f"two different parts of messages are called {name}; rename one")
        payloads[message.CE_TYPE] = schema
    return {name: _relocated(schema) for name, schema in {**payloads, **dict(sorted(parts.items()))}.items()}


def _relocated(node: Any) -> Any:
    """The schema with its references into the document's components. What stands beside a reference goes into an
    `allOf`, because AsyncAPI passes over it."""
    if isinstance(node, list):
        return [_relocated(item) for item in node]
    if not isinstance(node, dict):
        return node
    beside = {name: _relocated(value) for name, value in node.items() if name != "$ref"}
    if "$ref" not in node:
        return beside
    reference = _ref("components", "schemas", node["$ref"].removeprefix("#/$defs/"))
    return {"allOf": [reference, beside]} if beside else reference


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}


def _header(description: str, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "maxLength": MAX_ATTRIBUTE_CHARS, "description": description, **more}


_HEADERS: Schema = {
    "type": "object",
    "description": "CloudEvents attributes as Kafka headers, in UTF-8.",
    "required": ["ce_specversion", "ce_id", "ce_type", "ce_source"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _header("Unique id (UUIDv7 from Holdfast). A second message with it has no effect."),
        "ce_type": _header("What the message is: owner, name and version."),
        "ce_source": _header("Who sent it."),
        "ce_time": _header("When it was made, RFC 3339; UTC from Holdfast.", format="date-time"),
        "ce_subject": _header("Id of the aggregate that the message is about."),
        "ce_partitionkey": _header("The record key, which is that id too."),
        "ce_correlationid": _header("The order or dispute that the message belongs to."),
        "ce_causationid": _header("ce_id of the message that led to this one."),
        "ce_sequence": _header("Version of the aggregate after the event.", pattern="^[0-9]+$"),
        "traceparent": _header("W3C trace context."),
        "content-type": _header("Media type of the value.", examples=[JSON]),
    },
}
