"""The verbs that need no stack tell what the contracts and the saga's table say."""

import json

import pytest
from typer.testing import CliRunner, Result

from contracts.registry import REGISTRY
from escrow import diagram
from holdfast.cli import app


def _call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_every_registered_type_is_listed_with_its_topic() -> None:
    listed = json.loads(_call("events", "types", "--json").output)
    assert listed == {name: message.TOPIC for name, message in REGISTRY.items()}


def test_an_example_shown_is_a_message_of_its_type() -> None:
    name = min(REGISTRY)
    told = json.loads(_call("events", "types", name).output)
    REGISTRY[name].model_validate_json(json.dumps(told["example"]))
    assert told["schema"]["properties"].keys() >= told["example"].keys()


def test_an_unknown_type_is_refused_in_one_line() -> None:
    result = _call("events", "types", "no.such.type")
    assert result.exit_code == 2
    assert "holdfast events types" in result.output
    assert "Traceback" not in result.output


def test_a_broken_contract_is_told_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    name = min(REGISTRY)
    monkeypatch.setattr("holdfast.declared.REGISTRY", {key: REGISTRY[key] for key in REGISTRY if key != name})
    result = _call("contracts", "check", "--json")
    assert result.exit_code == 1
    assert any(problem.startswith(f"{name}: is gone") for problem in json.loads(result.output)["problems"])


def test_asyncapi_names_every_type() -> None:
    told = json.loads(_call("contracts", "asyncapi").output)
    assert REGISTRY.keys() <= told["components"]["messages"].keys()


def test_the_diagram_is_the_document() -> None:
    assert _call("saga", "diagram").output == diagram.document()
