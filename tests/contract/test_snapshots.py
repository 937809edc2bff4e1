"""The messages of today fit every snapshot in the repository."""

import json

import jsonschema
import pytest

from contracts.examples import EXAMPLES
from contracts.registry import REGISTRY, UPCASTS
from contracts.schema import schema_of
from contracts.snapshots import HERE, Contracts, check, main, value_of


def test_every_message_fits_its_snapshots() -> None:
    assert check(Contracts(REGISTRY, EXAMPLES, UPCASTS)) == []
    assert main(["check"]) == 0


@pytest.mark.parametrize("name", REGISTRY)
def test_messages_and_schemas_describe_each_other(name: str) -> None:
    """Another JSON Schema implementation accepts every golden message by every revision's schema."""
    samples = [path.read_bytes() for path in (HERE / "golden" / name).iterdir()]
    schemas = [json.loads(path.read_text(encoding="utf-8")) for path in (HERE / "schemas" / name).iterdir()]
    assert samples
    assert schemas
    for schema in [*schemas, schema_of(REGISTRY[name])]:
        jsonschema.Draft202012Validator.check_schema(schema)
        for sample in [*samples, value_of(EXAMPLES[name])]:
            jsonschema.Draft202012Validator(schema).validate(json.loads(sample))


@pytest.mark.parametrize("name", REGISTRY)
def test_a_schema_wants_what_the_class_wants(name: str) -> None:
    validator = jsonschema.Draft202012Validator(schema_of(REGISTRY[name]))
    whole = json.loads(value_of(EXAMPLES[name]))
    for field, definition in REGISTRY[name].model_fields.items():
        without = {key: value for key, value in whole.items() if key != field}
        assert validator.is_valid(without) is not definition.is_required()
