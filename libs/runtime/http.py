"""The HTTP side of a service: commands in, states out. A service declares an `Api`; this makes the routes.

A command is POSTed: its ids stand in the path, the rest in a JSON body, who asks in `Holdfast-Actor: role:id`. With an
`Idempotency-Key` the same request may be sent again and has its effect once. The answer comes after COMMIT.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from contracts.message import Actor, Command
from runtime.access import actor_of
from runtime.batch import Duplicate, Parked
from runtime.decision import Ref, Refused
from runtime.fold import Done, Failed, Refusal
from runtime.ids import new_id
from runtime.problems import problem

MAX_BODY_BYTES = 256 * 1024
MAX_IDEMPOTENCY_KEY = 255
QUERY_WITHIN = 5.0

View = Callable[[Any, int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class CommandRoute:
    """`POST path` carries this command; fields named in the path are taken from it."""

    path: str
    command: type[Command]


@dataclass(frozen=True, slots=True)
class QueryRoute:
    """`GET path` shows one aggregate; the path's one field is its id."""

    path: str
    aggregate: str
    view: View


@dataclass(frozen=True, slots=True)
class Api:
    """What a service offers over HTTP. Handlers of `routers` find `request.app.state.pool` and `.clock`."""

    commands: Sequence[CommandRoute] = ()
    queries: Sequence[QueryRoute] = ()
    routers: Sequence[APIRouter] = ()


def command(path: str, command: type[Command]) -> CommandRoute:
    """Declares a command route."""
    return CommandRoute(path, command)


def query(path: str, aggregate: str, view: View) -> QueryRoute:
    """Declares a query route; `view(state, version)` gives what is shown."""
    return QueryRoute(path, aggregate, view)


def add_routes(app: FastAPI, api: Api) -> None:
    """Adds the declared routes to a service's app."""
    for route in api.commands:
        app.add_api_route(
            route.path,
            _command_handler(route),
            methods=["POST"],
            name=route.command.__name__,
            summary=(route.command.__doc__ or "").split(". ")[0],
            openapi_extra=_body_schema(route),
        )
    for shown in api.queries:
        app.add_api_route(shown.path, _query_handler(shown), methods=["GET"], name=f"get_{shown.aggregate}")
    for router in api.routers:
        app.include_router(router)


async def body_of(request: Request, most: int = MAX_BODY_BYTES) -> bytes:
    """The request's body; raises `Refused` (too_large) beyond `most` bytes, without reading on."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Refused("too_large", f"a body may have {most} bytes")
    return bytes(body)


async def json_of(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object, {} where it is empty. Raises `Refused`: invalid_json, too_large."""
    return _object(await body_of(request))


def _object(body: bytes) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("invalid_json", "the body is not JSON") from None
    if not isinstance(fields, dict):
        raise Refused("invalid_json", "the body must be a JSON object")
    return fields


def _command_handler(route: CommandRoute) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        actor = await actor_of(request)
        command = _validated(route.command, await body_of(request), request.path_params, actor)
        answer = await request.app.state.accept(_command_id(request, actor), command)
        match answer:
            case Done(version=version, note=note):
                return JSONResponse({"result": "done", "version": version} | ({"note": note} if note else {}))
            case Duplicate():
                return JSONResponse({"result": "done_before"})
            case Refusal(code=code, reason=reason):
                return problem(code, reason)
            case Parked():
                return problem("key_parked", "an earlier message of this key waits for an operator; try again later")
            case Failed():
                return problem("decision_failed", "this command met a fault of ours; it had no effect", 500)
        raise AssertionError(answer)

    return handle


def _query_handler(route: QueryRoute) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        (id,) = request.path_params.values()
        async with request.app.state.pool.acquire(timeout=QUERY_WITHIN) as connection:
            async with asyncio.timeout(QUERY_WITHIN):
                found = await request.app.state.repository.get(connection, Ref(route.aggregate, id))
        if found is None:
            raise Refused("not_found", f"there is no {route.path.strip('/').split('/')[0]} {id[:64]!r}")
        body = msgspec.json.encode(route.view(found.state, found.version))
        return Response(body, media_type="application/json", headers={"etag": f'"{found.version}"'})

    return handle


def _validated(command: type[Command], body: bytes, path: dict[str, Any], actor: Actor) -> Command:
    fields = _object(body)
    if twice := fields.keys() & (path.keys() | {"actor"}):
        raise Refused("invalid_data", f"{', '.join(sorted(twice))}: given by the path or the header, not in the body")
    try:
        return command.model_validate(fields | path | {"actor": actor})
    except ValidationError as error:
        said = [
            f"{'.'.join(map(str, detail['loc'])) or 'body'}: {detail['msg']}"
            for detail in error.errors(include_url=False, include_input=False)[:5]
        ]
        raise Refused("invalid_data", "; ".join(said)) from None


def _command_id(request: Request, actor: Actor) -> UUID:
    key = request.headers.get("idempotency-key")
    if key is None:
        return UUID(new_id())
    if not 0 < len(key) <= MAX_IDEMPOTENCY_KEY:
        raise Refused("invalid_idempotency_key", f"Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} characters")
    return uuid5(NAMESPACE_URL, f"{request.url.path}\n{actor.role}:{actor.id}\n{key}")


def _body_schema(route: CommandRoute) -> dict[str, Any]:
    schema = route.command.model_json_schema(ref_template="#/components/schemas/{model}")
    given = {"actor"} | {part[1:-1] for part in route.path.split("/") if part.startswith("{")}
    definitions = schema.pop("$defs", {})
    schema["properties"] = {name: value for name, value in schema["properties"].items() if name not in given}
    schema["required"] = [name for name in schema.get("required", []) if name not in given]
    inlined = _inline(schema, definitions)
    return {
        "requestBody": {"required": bool(schema["required"]), "content": {"application/json": {"schema": inlined}}},
        "parameters": [
            {"name": "Holdfast-Actor", "in": "header", "required": True, "schema": {"type": "string"}},
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": {"type": "string"}},
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in sorted(given - {"actor"})
            ),
        ],
    }


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with its `$ref`s written out; messages are not recursive."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inline(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
        return {name: _inline(value, definitions) for name, value in schema.items()}
    if isinstance(schema, list):
        return [_inline(value, definitions) for value in schema]
    return schema
