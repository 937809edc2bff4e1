"""The JSON Schema (2020-12) of a message, as it is published: what every reader may rely on.

Unknown fields are not forbidden in it, though our own classes refuse them where a message is made: within a version
fields are added, and a reader that validates with an earlier schema must not stumble over them.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from contracts.message import Message

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(message_type: type[Message]) -> Schema:
    """The schema of a message; `x-topic` and `x-key` (the field that is the record key) belong to it."""
    schema = message_type.model_json_schema(schema_generator=_WithoutFieldTitles)
    return {
        "$schema": DIALECT,
        "$id": f"urn:holdfast:{message_type.CE_TYPE}",
        "x-topic": message_type.TOPIC,
        "x-key": message_type.KEY,
        **_open(schema),
    }


class _WithoutFieldTitles(GenerateJsonSchema):
    """A title that repeats the field's name says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False


def _open(node: Any) -> Any:
    """The schema without `additionalProperties: false`."""
    if isinstance(node, dict):
        return {
            name: _open(value)
            for name, value in node.items()
            if not (name == "additionalProperties" and value is False)
        }
    return [_open(value) for value in node] if isinstance(node, list) else node
