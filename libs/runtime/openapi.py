"""A service's OpenAPI 3.1 description: what its routes take and answer, with an example of every command.

The framework knows the routes; what it cannot know is added here: bodies and examples of commands from the contracts,
the headers that mean something, problems, and who may come without a token.
"""

from collections.abc import Iterator, Mapping
from inspect import cleandoc
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from contracts.attributes import BATCH, MAX_BATCH_BYTES, STRUCTURED
from contracts.examples import EXAMPLES
from contracts.message import Command, Role
from runtime.access import security_of_openapi
from runtime.http import MAX_BODY_BYTES, Api, CommandRoute
from runtime.idempotency import MAX_KEY
from runtime.openapi_parts import OPERATORS, PUBLIC, RESPONSES, SCHEMAS

Json = dict[str, Any]

VERSION = "1.0.0"
_TEXT = f"""Commands are POSTed and answered after they are committed; what is read is as of then.

**Who asks** stands in a bearer token. One who has several roles names one in `Holdfast-Role`.

**Again.** With an `Idempotency-Key` a command may be sent again: the same body has the same answer, refusals included
(header `Idempotency-Replayed`), another body is refused (422 `idempotency_key_reused`), and while the first is under
way the answer is 409 `request_in_flight`. To correct what was refused takes a new key. A key belongs to the caller and
the path. Not kept are 401, 413, 415, 422 of a body that is no command, 429, 500, 503 and 409 `key_parked`.

**Two who decide.** Reads of one object have an `ETag`; a command with `If-Match` is done to that version or not at all
(412 `stale_version`, with the version that is there).

**Lists** have a limit and go on from `next`: send it as `after` until it is null.

**Limits.** A body may have {MAX_BODY_BYTES // 1024} KiB (webhooks {MAX_BATCH_BYTES // 1024}). Requests are counted for
each caller, by each replica: 429 `rate_limited` says in `Retry-After` when to come again.

**Problems** (RFC 9457) have a stable `code`; docs/errors.md says of each what to do."""

_COMMAND_PROBLEMS = ("401", "403", "404", "409", "412", "413", "415", "422", "429", "500", "503")
_READ_PROBLEMS = ("401", "403", "404", "422", "429", "500", "503")
_PUBLIC_PROBLEMS = ("500", "503")
_WEBHOOK_PROBLEMS = ("401", "403", "409", "413", "415", "422", "429", "500", "503")
_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$"}


def describe(app: FastAPI, api: Api, service: str) -> Json:
    """The whole description, made once."""
    if app.openapi_schema:
        return app.openapi_schema
    whole = get_openapi(title=f"Holdfast {service}", version=VERSION, description=_TEXT, routes=app.routes)
    whole["paths"] = {path: found for path, found in whole["paths"].items() if not path.startswith("/dev/")}
    access = security_of_openapi()
    components: Json = whole.setdefault("components", {})
    schemas: Json = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas |= SCHEMAS
    components["responses"] = RESPONSES
    components["securitySchemes"] = access["securitySchemes"]
    whole["security"] = access["security"]
    commands = {route.path: route for route in api.commands}
    reads = {route.path for route in api.queries}
    examples = _example_ids(api)
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            if method == "post" and path in commands:
                _command(operation, commands[path], schemas)
            else:
                _other(operation, path, path in reads)
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in examples:
                    parameter["example"] = examples[parameter["name"]]
    app.openapi_schema = whole
    return whole


def _command(operation: Json, route: CommandRoute, schemas: Json) -> None:
    command = route.command
    schema = command.model_json_schema(ref_template="#/components/schemas/{model}")
    in_path = list(_fields_of(route.path))
    given = {"actor", *in_path}
    schemas |= {name: body for name, body in schema.pop("$defs", {}).items() if name not in ("Actor", "Role")}
    fields = schema["properties"]
    schema["properties"] = {name: field for name, field in fields.items() if name not in given}
    schema["required"] = [name for name in schema.get("required", []) if name not in given]
    schemas[command.__name__] = schema
    content: Json = {"schema": {"$ref": f"#/components/schemas/{command.__name__}"}}
    if example := route.example or _example(command, given):
        content["examples"] = {"example": {"value": example}}
    operation["description"] = cleandoc(command.__doc__ or command.__name__)
    operation["summary"] = operation["description"].replace("\n", " ").partition(". ")[0].rstrip(".")
    operation["operationId"] = command.__name__
    operation["requestBody"] = {"required": bool(schema["required"]), "content": {"application/json": content}}
    operation["parameters"] = [
        *({"name": name, "in": "path", "required": True, "schema": _bare(fields.get(name, _ID))} for name in in_path),
        _header(
            "Idempotency-Key", "makes sending again safe", {"type": "string", "minLength": 1, "maxLength": MAX_KEY}
        ),
        _header("If-Match", "the ETag of the version to do this to", {"type": "string", "pattern": '^"[0-9]{1,17}"$'}),
        _role(),
    ]
    operation["responses"] = {"200": {"$ref": "#/components/responses/Answered"}, **_problems(_COMMAND_PROBLEMS)}


def _other(operation: Json, path: str, is_query: bool) -> None:
    responses: Json = operation["responses"]
    operation["operationId"] = operation["summary"].lower().replace(" ", "_")
    if path == "/webhooks":
        operation |= _webhook()
        return
    if path in PUBLIC:
        operation["security"] = []
        operation["responses"] = {**PUBLIC[path], **_problems(set(_PUBLIC_PROBLEMS) - PUBLIC[path].keys())}
        return
    if found := OPERATORS.get(path):
        operation |= found
        responses = found["responses"]
    if is_query:
        names = _fields_of(path)
        operation["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in names]
    elif path.endswith("}"):
        is_query = path not in OPERATORS and not path.startswith("/money/")
    if is_query:
        responses["200"]["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "the object's version"}}
    operation.setdefault("parameters", []).append(_role())
    problems = _COMMAND_PROBLEMS if "requestBody" in operation else _READ_PROBLEMS
    operation["responses"] = {"200": responses["200"], **_problems(problems)}


def _webhook() -> Json:
    one: Json = {"type": "object", "required": ["specversion", "id", "source", "type", "subject", "data"]}
    contents = {STRUCTURED: {"schema": one}, BATCH: {"schema": {"type": "array", "items": one, "minItems": 1}}}
    headers = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        "summary": "Events of a provider, one CloudEvent or a batch of them, signed after Standard Webhooks",
        "security": [],
        "parameters": [_header(name, "see Standard Webhooks", {"type": "string"}, required=True) for name in headers],
        "requestBody": {"required": True, "content": contents},
        "responses": {
            "204": {"description": "Taken; with the header `webhook-replayed: true` when it was taken before."},
            **_problems(_WEBHOOK_PROBLEMS),
        },
    }


def _problems(statuses: Any) -> Json:
    return {status: {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}


def _header(name: str, text: str, schema: Json, *, required: bool = False) -> Json:
    return {"name": name, "in": "header", "required": required, "description": text, "schema": schema}


def _role() -> Json:
    text = "in which of the token's roles the caller acts; needed where it has several"
    return _header("Holdfast-Role", text, {"type": "string", "enum": [role.value for role in Role]})


def _fields_of(path: str) -> Iterator[str]:
    return (part[1:-1] for part in path.split("/") if part.startswith("{"))


def _bare(schema: Mapping[str, Any]) -> Json:
    return {name: value for name, value in schema.items() if name != "title"}


def _example(command: type[Command], given: set[str]) -> Json | None:
    message = EXAMPLES.get(command.CE_TYPE)
    if message is None:
        return None
    return message.model_dump(mode="json", exclude=given | {"expected_version"}, exclude_none=True)


def _example_ids(api: Api) -> dict[str, str]:
    """Ids that the examples speak of, by the name of their field."""
    found: dict[str, str] = {}
    for route in api.commands:
        message = EXAMPLES.get(route.command.CE_TYPE)
        for name, value in message.model_dump(mode="json").items() if message else ():
            if name.endswith("_id") and isinstance(value, str):
                found.setdefault(name, value)
    return found
