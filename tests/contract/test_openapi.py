"""What the five services say of themselves is true: their descriptions are complete, and whatever Schemathesis makes of
them and sends to real processes is answered as described, and never by a fault of ours."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from contracts.message import Role
from holdfast.addresses import SERVICES
from holdfast.replay.run import read_file, replay
from holdfast.stack import Stack
from tests.e2e.conftest import START

ROOT = Path(__file__).parents[2]
ORDERS = ROOT / "tests" / "e2e" / "orders.csv"
HOOKS = "tests.contract.openapi_hooks"
EXAMPLES = 12
"""Of each operation, beside those that every rule of its schema asks for."""
SEED = 20260302
WITHIN = 300
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, server_folder: Path) -> Iterator[Stack]:
    """Up, with orders of every kind behind it: there is something to read. Callers are as quick as they like."""
    folder = server_folder / f"stack-{tmp_path_factory.mktemp('openapi').name}"
    settings = {"HOLDFAST_RATE_LIMIT_PER_SECOND": "0"}
    running = Stack.start(folder, clock=START, say=lambda _: None, settings=settings)
    try:
        plans, bad = read_file(ORDERS)
        asyncio.run(replay(running.addresses, plans, bad, strict=False, progress=lambda *_: None))
        yield running
    finally:
        running.stop(say=lambda _: None)


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def description(stack: Stack, service: str) -> dict[str, Any]:
    answer = httpx.get(f"{stack.addresses.services[service]}/openapi.json")
    described: dict[str, Any] = answer.raise_for_status().json()
    return described


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_it_is_an_openapi_document_without_loose_ends(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1.")
    text = json.dumps(description)
    for kind in ("schemas", "responses"):
        known = {f"#/components/{kind}/{name}" for name in description["components"][kind]}
        named = {part.split('"')[0] for part in text.split('"$ref": "')[1:] if f"/{kind}/" in part.split('"')[0]}
        assert named <= known, named - known
    for name, schema in description["components"]["schemas"].items():
        assert name
        jsonschema.Draft202012Validator.check_schema(schema)
    ids = [operation["operationId"] for *_, operation in operations(description)]
    assert len(ids) == len(set(ids))


def test_every_operation_says_what_it_takes_and_answers(description: dict[str, Any]) -> None:
    for method, path, operation in operations(description):
        assert operation.get("summary"), path
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, path
        open_to_all = operation.get("security") == []
        assert open_to_all == (path in ("/livez", "/readyz", "/metrics", "/webhooks")), path
        assert open_to_all or {"401", "403", "429", "503"} <= operation["responses"].keys(), path
        headers = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}
        if operation["responses"]["200" if "200" in good else good[0]].get("$ref", "").endswith("Answered"):
            assert {"Idempotency-Key", "If-Match", "Holdfast-Role"} <= headers
            assert {"404", "409", "412", "413", "415", "422"} <= operation["responses"].keys()
        elif not open_to_all:
            shown = operation["responses"]["200"]["content"]["application/json"]["schema"]
            assert shown.get("$ref") or shown.get("properties") or shown.get("allOf"), (method, path)


def test_every_command_has_an_example_that_fits_its_schema(description: dict[str, Any]) -> None:
    for _, path, operation in operations(description):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        named = content["schema"].get("$ref")
        schema = content["schema"] if named is None else description["components"]["schemas"][named.rsplit("/", 1)[-1]]
        if not schema["properties"].keys() - {"expected_version"}:
            continue
        validator = jsonschema.Draft202012Validator(schema | {"components": description["components"]})
        assert content.keys() & {"example", "examples"}, path
        example = content["example"] if "example" in content else content["examples"]["example"]["value"]
        validator.validate(example)


def test_every_list_has_a_limit_and_says_how_it_goes_on(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    for method, path, operation in operations(description):
        shown = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
        shown = schemas.get(shown.get("$ref", "").rsplit("/", 1)[-1], shown)
        if method != "get" or not ("next" in shown.get("properties", ()) and "version" not in shown["properties"]):
            continue
        parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
        assert 1 <= parameters["limit"]["maximum"] <= 1000 and parameters["limit"]["minimum"] == 1, path
        assert "after" in parameters, path


def test_reads_of_one_object_have_the_etag_that_commands_take(stack: Stack) -> None:
    headers = stack.addresses.minter().bearer("operator", "tests")
    for service, path in {
        "orders": "/orders/confirmed",
        "escrow": "/escrow/confirmed",
        "deposits": "/deposits/s-1",
        "identity": "/accounts/b-1",
    }.items():
        answer = httpx.get(stack.addresses.services[service] + path, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"] == f'"{answer.json()["version"]}"', path
    disputes = httpx.get(stack.addresses.services["disputes"] + "/disputes", headers=headers).json()["disputes"]
    url = f"{stack.addresses.services['disputes']}/disputes/{disputes[0]['dispute_id']}"
    answer = httpx.get(url, headers=headers)
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'


def test_what_is_sent_to_it_is_answered_as_described(
    stack: Stack, service: str, description: dict[str, Any], tmp_path: Path
) -> None:
    """“Schemathesis against all five services finds no server error and no schema breach”"""
    base = stack.addresses.services[service]
    token = stack.addresses.minter().token(tuple(Role), "b-1")
    report = tmp_path / "report.json"
    command = [
        sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
        "run", f"{base}/openapi.json",
        f"--checks={','.join(CHECKS)}", f"--max-examples={EXAMPLES}", f"--seed={SEED}", "--mode=all",
        "--phases=examples,coverage,fuzzing", "--suppress-health-check=all", "--no-color", "--no-shrink",
        "--continue-on-failure", "--generation-database=none", "--warnings=off", "--request-timeout=20",
        f"--header=Authorization: Bearer {token}", "--exclude-path=/metrics", f"--report-json-path={report}",
    ]  # fmt: skip
    told = {"SCHEMATHESIS_HOOKS": HOOKS, "HOLDFAST_FUZZ": json.dumps(given(stack)), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=WITHIN, check=False, env=os.environ | told, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    # and most reads were shown something, now and then: a test that hears nothing but refusals proves little
    well = accepted(json.loads(report.read_text()))
    reads = {f"GET {path}" for method, path, _ in operations(description) if method == "get"}
    unseen = {read for read in reads - NOTHING_THERE if not well.get(read)}
    assert not unseen, well


NOTHING_THERE = {
    "GET /metrics",
    "GET /dead-letters/{seq}",
    "GET /reconciliations/{day}",
    "GET /quotes/{quote_id}",
    "GET /orders/{order_id}/shipping-address",
}
"""Reads that are left out, and those of what the orders behind the stack leave none of."""


def accepted(report: dict[str, Any]) -> dict[str, int]:
    """How often each operation did what it was asked for."""
    return {
        operation: sum(phase["accepted"] for phase in phases.values())
        for operation, phases in report["valid_rates"].items()
    }


def given(stack: Stack) -> dict[str, Any]:
    """What the hooks are told."""
    headers = stack.addresses.minter().bearer("operator", "tests")
    urls = stack.addresses.services
    disputes = httpx.get(f"{urls['disputes']}/disputes", headers=headers).json()["disputes"]
    plans, _ = read_file(ORDERS)
    known = {
        "order_id": [plan.order_id for plan in plans],
        "dispute_id": [dispute["dispute_id"] for dispute in disputes],
        "seller_id": ["s-1"],
        "person_id": ["b-1", "b-2", "b-3"],
    }
    return {"seed": SEED, "roles": [role.value for role in Role], "known": known}
